"""What can go wrong, by who can do something about it. All of it is a `PenguinError`."""

import builtins
from typing import Any


class PenguinError(Exception):
    """The base of all errors of this package."""


class ValidationError(PenguinError, ValueError):
    """A parameter is not valid. Nothing was sent."""


class NetworkError(PenguinError):
    """No answer came: the server could not be reached, or the connection was lost."""


class TimeoutError(PenguinError, builtins.TimeoutError):
    """No answer came in time. The server may have done what was asked."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"No answer within {timeout_ms} ms.")
        self.timeout_ms = timeout_ms


class APIRequestError(PenguinError):
    """The server has answered with an error.

    `code` is the word to branch on, None where the answer came from something that is not Penguin. `body` is the
    answer as JSON, or as text where it is none. `request_id` finds the request in the server's logs.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        body: Any = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.body = body
        self.request_id = request_id
        self.retry_after = retry_after


class StreamLostError(PenguinError):
    """A stream cannot be taken up again where it was lost: read the conversation `session_id` instead."""

    def __init__(self, message: str, *, session_id: str | None, run_id: str | None) -> None:
        super().__init__(message)
        self.session_id = session_id
        self.run_id = run_id
