"""What can be wrong with a path beneath a root, and which of it an OSError tells."""

import errno
import stat

from penguin_site.errors import Conflict, DomainError, Forbidden, InvalidRequest, NotFound, PayloadTooLarge


class OutsideRoot(InvalidRequest):
    """This path leads out of the directory."""

    code = "outside_root"


class UnusablePath(InvalidRequest):
    """This path cannot be used."""

    code = "invalid_path"


class NotARegularFile(InvalidRequest):
    """This path is not a regular file."""

    code = "not_a_file"


class NotAFolder(InvalidRequest):
    """This path is not a directory."""

    code = "not_a_directory"


class FileMissing(NotFound):
    """There is no such file."""


class FileTooLarge(PayloadTooLarge):
    """This file is too large."""


class ChangedMeanwhile(Conflict):
    """The file has changed meanwhile; nothing was written."""

    code = "file_changed"


class HalfChanged(Conflict):
    """Only some of the files were changed, and this could not be undone."""

    code = "half_changed"


class MayNotOpen(Forbidden):
    """The server may not open this file."""

    code = "permission_denied"


def check_regular(mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise NotARegularFile("This path is a directory.")
    if not stat.S_ISREG(mode):
        raise NotARegularFile


_OF_NUMBER: dict[int, tuple[type[DomainError], str | None]] = {
    errno.EXDEV: (OutsideRoot, None),
    # Links are resolved before a file is opened: one that is met then was put there in between.
    errno.ELOOP: (OutsideRoot, None),
    errno.ENOENT: (FileMissing, None),
    errno.ENOTDIR: (FileMissing, "There is no such file: a part of the path is not a directory."),
    errno.ENAMETOOLONG: (FileMissing, "There is no such file: the path is too long."),
    errno.EACCES: (MayNotOpen, None),
    errno.ENXIO: (NotARegularFile, None),  # a socket, a device
    errno.ENODEV: (NotARegularFile, None),
    errno.EISDIR: (NotARegularFile, "This path is a directory."),
}


def domain_error(error: OSError) -> Exception:
    """The error to be raised instead; the same one where the matter is not the path (a full disk)."""
    if error.errno not in _OF_NUMBER:
        return error
    kind, message = _OF_NUMBER[error.errno]
    return kind(message)
