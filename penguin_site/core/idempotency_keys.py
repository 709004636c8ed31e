"""What may stand in an Idempotency-Key header."""

MAX_KEY_LENGTH = 255


def is_usable(key: str) -> bool:
    """Printable ASCII, as headers carry nothing else unharmed."""
    return 0 < len(key) <= MAX_KEY_LENGTH and key.isprintable() and key.isascii()
