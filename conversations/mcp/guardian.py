"""Runs an MCP server's program and sees to it that nothing of it outlives the worker. A program of its own.

    python -I -S guardian.py LIFELINE COMMAND ARGUMENT...

LIFELINE is the reading end of a pipe whose other end the worker holds: when that is closed, by the worker or by its
death, all that the server has started ends. The environment, the pipes and the directory are the server's.
"""

import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_GRACE_SECONDS = 1.0


def main() -> int:
    lifeline, command = int(sys.argv[1]), sys.argv[2:]
    libc = ctypes.CDLL(None)
    # What the server leaves behind becomes ours, also when it has made itself a daemon.
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1)
    wakeup, signalled = os.pipe()
    os.set_blocking(signalled, False)
    signal.set_wakeup_fd(signalled)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    server = os.fork()
    if server == 0:
        _become(command, libc)
    for standard in (0, 1, 2):  # the server's alone: the worker has to see when it closes them
        os.close(standard)
    code = None
    while code is None:
        ready, _, _ = select.select([lifeline, wakeup], [], [])
        if wakeup in ready:
            os.read(wakeup, 512)
        code = _reap(server)
        if lifeline in ready and code is None:
            _send(signal.SIGTERM)
            deadline = time.monotonic() + _GRACE_SECONDS
            while _children() and time.monotonic() < deadline:
                time.sleep(0.02)
                code = _reap(server) if code is None else code
            break
    while _children():
        _send(signal.SIGKILL)
        _reap(server)
        time.sleep(0.01)
    return code if code is not None else 128 + signal.SIGKILL


def _become(command: list[str], libc: ctypes.CDLL) -> None:
    """The child: a session and process group of its own, which ends with the guardian."""
    try:
        os.setsid()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.closerange(3, 65536)
        os.execvp(command[0], command)
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _reap(server: int) -> int | None:
    """The exit code of the server, if it is among those that have ended."""
    code = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return code
        if pid == 0:
            return code
        if pid == server:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code


def _children() -> list[int]:
    """Processes that are ours and not just waiting to be reaped."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat", "rb") as file:
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
            except OSError:
                continue
            if int(parent) == os.getpid() and state != b"Z":
                found.append(int(entry))
    return found


def _send(number: int) -> None:
    """To our children and their groups; what those leave behind is ours next."""
    for pid in _children():
        try:
            if os.getpgid(pid) == pid:
                os.killpg(pid, number)
            os.kill(pid, number)
        except OSError:
            continue


if __name__ == "__main__":
    sys.exit(main())
