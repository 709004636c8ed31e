"""Who uses a data dir: one process at a time, proved by a lock that the kernel drops when that process dies."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

OWNER_FILE = "owner"


class DataDirInUse(Exception):
    """Another living process owns this data dir."""

    def __init__(self, directory: Path, note: str) -> None:
        super().__init__(f"{directory} is in use by {note or 'another process'}.")


class DataDirOwner:
    """Holds `<data dir>/owner` locked from construction until `release`, the end of a `with`, or the process' death.

    The file says who it is (`process 4711, http://127.0.0.1:9000`) for whoever comes second. It is never deleted:
    two processes could then hold locks on two files of the same name.
    """

    def __init__(self, directory: Path, note: str = "") -> None:
        self.directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Not inherited by children (Python opens close-on-exec), so the lock ends with this process alone.
        self._file = os.open(directory / OWNER_FILE, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(self._file, 500).decode(errors="replace")
            os.close(self._file)
            raise DataDirInUse(directory, owner) from None
        self.describe(note)

    def describe(self, note: str) -> None:
        text = f"process {os.getpid()}" + (f", {note}" if note else "")
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, text.encode(), 0)

    def release(self) -> None:
        os.ftruncate(self._file, 0)
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
