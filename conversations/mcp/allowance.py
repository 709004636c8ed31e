"""How much a server may send: as much as an answer needs at once, beyond that slowly."""

import asyncio

# For each request; a longer single message ends the connection.
MOST_MESSAGE_BYTES = 4 * 1024 * 1024
# Beside that: logs and notifications nobody asked for.
BYTES_PER_SECOND = 64 * 1024
# Every message takes work, however short.
LEAST_COST = 1024


class Allowance:
    """Whoever reads from the server takes what came; who babbles is read slowly, and waits at its full pipe."""

    def __init__(self) -> None:
        self._left = float(MOST_MESSAGE_BYTES)
        self._at = asyncio.get_running_loop().time()

    def grant(self) -> None:
        """A request was sent: it may be answered at length."""
        self._left = 2.0 * MOST_MESSAGE_BYTES

    async def take(self, size: int) -> None:
        now = asyncio.get_running_loop().time()
        earned = (now - self._at) * BYTES_PER_SECOND
        self._left = min(self._left + earned, max(self._left, MOST_MESSAGE_BYTES)) - max(size, LEAST_COST)
        self._at = now
        while self._left < 0:
            # Short naps: a request that is sent meanwhile makes it go on.
            await asyncio.sleep(min(-self._left / BYTES_PER_SECOND, 0.25))
            now = asyncio.get_running_loop().time()
            self._left, self._at = self._left + (now - self._at) * BYTES_PER_SECOND, now
