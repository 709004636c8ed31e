"""How large a request body may be: the one table, by path."""

MIB = 1024 * 1024
DEFAULT_BYTES = MIB
ADS_BYTES = 64 * 1024
# A multipart body is a little larger than the file in it.
_MULTIPART_OVERHEAD = 64 * 1024


def limit_for(path: str, *, upload_bytes: int) -> int:
    """Bytes that a body sent to `path` may have; `upload_bytes` is the configured size of an uploaded file."""
    if path.rstrip("/") == "/api/v1/upload":
        return upload_bytes + _MULTIPART_OVERHEAD
    if path.startswith("/functions/v1/"):
        return ADS_BYTES
    return DEFAULT_BYTES
