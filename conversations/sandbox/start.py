"""Starts a command in the sandbox. Blocking code: `confined.py` calls it in a thread.

That thread has to outlive the command, for the kernel ends the sandbox when the thread ends that started it.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import orjson

from conversations.sandbox import cgroups, limits
from conversations.sandbox.box import Box, bubblewrap_arguments, confine_arguments
from conversations.sandbox.levels import Level
from conversations.sandbox.limits import Limits
from conversations.sandbox.protection import Protection, protect

_START_SECONDS = 10.0
_MOST_LOOKS = 50  # for processes that are still being born
_NICENESS = 5  # the server goes first
_OOM_SCORE = "500"  # and is not what the kernel kills when the machine has no memory left

# The first process of the PID namespace, with which all others end. So when the command is to end (SIGTERM), it waits
# for all that the command has started: else what needs its seconds to clean up would get none.
_LEAD = """
trap ending=1 TERM
[ "$ending" ] || "$@"
code=$?
if [ "$ending" ]; then
    while set -- /proc/[0-9]*; [ $# -gt 1 ]; do sleep 0.02; done
fi
exit $code
"""


class SandboxError(Exception):
    """A command could not be started, and why."""


@dataclass(slots=True)
class Started:
    """A command that runs. `output` and `stdin` are to be closed by whoever holds this."""

    process: subprocess.Popen[bytes]
    first_pid: int  # of the PID namespace
    process_end: int  # pidfd
    namespace_end: int  # pidfd of the first process
    output: int  # what it writes to stdout and stderr
    stdin: int | None
    group: cgroups.Group | None
    protection: Protection

    def terminate(self) -> None:
        """SIGTERM to each process of the command. The sandbox's own would end at once, and all others with it.

        They are held for that moment: else a child of one that is already asked to end could be born unseen.
        """
        if not _catches(self.first_pid, signal.SIGTERM):  # the command has not begun yet
            self.kill()
            return
        held: set[int] = set()
        for _ in range(_MOST_LOOKS):
            new = set(_descendants(self.first_pid)) - held
            if not new:
                break
            _signal(new, signal.SIGSTOP)
            held |= new
        everyone = {self.first_pid, *held}
        _signal(everyone, signal.SIGTERM)
        _signal(everyone, signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL for all of them."""
        try:
            signal.pidfd_send_signal(self.namespace_end, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def clean_up(self) -> int:
        """After the last process has ended; the exit code."""
        code = self.process.wait()
        os.close(self.process_end)
        os.close(self.namespace_end)
        if self.group is not None:
            self.group.remove()
        self.protection.release()
        return code


def start(
    command: Sequence[str], box: Box, *, level: Level, limits: Limits, data_dir: Path, stdin: bool = False
) -> Started:
    """Raises SandboxError. `stdin`: it can be written to; else it is empty."""
    if level == Level.NONE:
        raise SandboxError("No sandbox is available on this server, so no commands can be run.")
    protection = protect(box.root, data_dir)
    try:
        arguments = _arguments(level, box, protection, limits)
        return _launch([*arguments, "--", *_lead(command)], limits, protection, stdin=stdin)
    except OSError as error:
        protection.release()
        raise SandboxError(f"The sandbox could not be started: {error}") from error
    except BaseException:
        protection.release()
        raise


def _arguments(level: Level, box: Box, protection: Protection, limits: Limits) -> list[str]:
    make = bubblewrap_arguments if level == Level.BUBBLEWRAP else confine_arguments
    return make(box, protection, limits)


def _lead(command: Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", _LEAD, "sh", *command]


def _launch(arguments: list[str], limits: Limits, protection: Protection, *, stdin: bool) -> Started:
    """The command is held back until its limits are in place."""
    with ExitStack() as ours, ExitStack() as theirs:
        info, info_end = _pipe(ours, theirs)
        output, output_end = _pipe(ours, theirs)
        release, held = reversed(_pipe(theirs, ours))
        writer, stdin_end = reversed(_pipe(theirs, ours)) if stdin else (None, subprocess.DEVNULL)
        at = arguments.index("--")
        group = cgroups.Group(limits) if cgroups.controllers() else None
        if group is not None:
            ours.callback(group.remove)
        with group.visit() if group is not None else nullcontext():
            process = subprocess.Popen(
                [*arguments[:at], "--info-fd", str(info_end), "--block-fd", str(held), *arguments[at:]],
                stdin=stdin_end,
                stdout=output_end,
                stderr=output_end,
                pass_fds=(info_end, held),
                env={},
                cwd="/",
                start_new_session=True,
            )
        ours.callback(_end, process)
        theirs.close()
        pid = _first_pid(info, output)
        process_end = os.pidfd_open(process.pid)
        ours.callback(os.close, process_end)
        try:
            namespace_end = os.pidfd_open(pid)
            ours.callback(os.close, namespace_end)
            _limit(pid, limits, group)
        except ProcessLookupError:
            # It has ended meanwhile, over a directory that is gone, say.
            raise SandboxError(_complaint(output)) from None
        try:
            os.write(release, b"\n")
        except BrokenPipeError:
            pass  # likewise; it is waited for as always, and its output says why
        ours.pop_all()
        os.close(info)
        os.close(release)
        return Started(process, pid, process_end, namespace_end, output, writer, group, protection)


def _pipe(readers: ExitStack, writers: ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe()
    readers.callback(os.close, reader)
    writers.callback(os.close, writer)
    return reader, writer


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _first_pid(info: int, output: int) -> int:
    """As the sandbox tells it, in pieces; or SandboxError with what it complains of."""
    deadline = time.monotonic() + _START_SECONDS
    told = b""
    while b"}" not in told:
        if not select.select([info], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise SandboxError("The sandbox did not start in time.")
        piece = os.read(info, 4096)
        if not piece:
            raise SandboxError(_complaint(output))
        told += piece
    return int(orjson.loads(told)["child-pid"])


def _complaint(output: int) -> str:
    """Of a sandbox that has ended."""
    text = os.read(output, 4096).decode(errors="replace").strip()
    return f"The sandbox could not be started: {text}"


def _limit(pid: int, wanted: Limits, group: cgroups.Group | None) -> None:
    if group is not None:
        group.take_in(pid)
    limits.put_on(pid, wanted, memory="memory" not in cgroups.controllers())
    os.setpriority(os.PRIO_PROCESS, pid, _NICENESS)
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_text(_OOM_SCORE)
    except PermissionError:  # some kernels hide the file from users
        pass


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def _catches(pid: int, number: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def _descendants(first: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = Path(f"/proc/{entry}/stat").read_text(errors="replace")
            except OSError:
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
    found: list[int] = []
    left = [first]
    while left:
        below = parents.get(left.pop(), [])
        found += below
        left += below
    return found
