"""Puts a file system together out of parts of the old one and makes it the only one that is to be seen."""

import os

import system_calls as system

# The new root and the old one, in an empty file system that only exists in between.
_BASE, _NEW, _OLD = "/tmp", "/new", "/old"
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


class NewRoot:
    """Sources are paths of the old file system without links, destinations are paths of the new one."""

    def __init__(self) -> None:
        system.mount("none", "/", None, system.REC | system.PRIVATE)
        system.mount("tmpfs", _BASE, "tmpfs", system.NOSUID | system.NODEV, "mode=755")
        os.mkdir(f"{_BASE}{_NEW}")
        os.mkdir(f"{_BASE}{_OLD}")
        system.pivot_root(_BASE, f"{_BASE}{_OLD}")
        os.chdir("/")
        system.mount("tmpfs", _NEW, "tmpfs", system.NOSUID | system.NODEV, "mode=755")

    def bind(self, source: str, destination: str, *, read_only: bool = False, device: bool = False) -> None:
        # Onto itself means: as the new root has it by now.
        target = _NEW + destination
        if os.path.isdir(_OLD + source):
            os.makedirs(target, exist_ok=True)
        elif not os.path.lexists(target):
            self._touch(target)
        system.mount(_OLD + source, target, None, system.BIND | system.REC)
        attributes = system.ATTR_NOSUID | (0 if device else system.ATTR_NODEV)
        system.set_mount_attributes(target, attributes | (system.ATTR_RDONLY if read_only else 0))

    def temporary(self, destination: str, size: int) -> None:
        target = _NEW + destination
        os.makedirs(target, exist_ok=True)
        options = f"mode=755,size={size}" if size else "mode=755"
        system.mount("tmpfs", target, "tmpfs", system.NOSUID | system.NODEV, options)

    def symlink(self, content: str, destination: str) -> None:
        os.symlink(content, _NEW + destination)

    def directory(self, destination: str) -> None:
        os.makedirs(_NEW + destination, exist_ok=True)

    def proc(self, destination: str) -> None:
        target = _NEW + destination
        os.makedirs(target, exist_ok=True)
        flags = system.NOSUID | system.NODEV | system.NOEXEC
        system.mount("proc", target, "proc", flags)
        # No user namespaces in here: each would open parts of the kernel that only root reaches otherwise.
        with open(f"{target}/sys/user/max_user_namespaces", "w") as file:
            file.write("0")

    def devices(self, destination: str) -> None:
        self.temporary(destination, 0)
        for name in _DEVICES:
            self.bind(f"/dev/{name}", f"{destination}/{name}", device=True)
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            self.symlink(f"/proc/self/fd/{number}", f"{destination}/{name}")
        self.symlink("/proc/self/fd", f"{destination}/fd")
        self.directory(f"{destination}/pts")
        terminals = "newinstance,ptmxmode=0666,mode=620"
        system.mount("devpts", f"{_NEW}{destination}/pts", "devpts", system.NOSUID | system.NOEXEC, terminals)
        self.symlink("pts/ptmx", f"{destination}/ptmx")

    def make_read_only(self, destination: str) -> None:
        """The one mount, not those below it."""
        flags = system.BIND | 32 | 1 | system.NOSUID | system.NODEV  # MS_REMOUNT, MS_RDONLY
        system.mount("none", _NEW + destination.rstrip("/"), None, flags)

    def enter(self) -> None:
        system.unmount(_OLD)
        os.chdir(_NEW)
        system.pivot_root(".", ".")
        system.unmount(".")
        os.chdir("/")

    def _touch(self, target: str) -> None:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
