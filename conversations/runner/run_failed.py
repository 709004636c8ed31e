"""How a step says that its run cannot go on."""


class RunFailed(Exception):
    """The run ends as failed; `kind` is what clients branch on."""

    def __init__(self, kind: str, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.error = {"kind": kind, "message": message, "retryable": retryable}
