"""Runs a command in new namespaces under Landlock's file rules, where bubblewrap is not installed.

It takes the part of bubblewrap's arguments that `box.py` uses, in the same meaning, and tells and waits in the same
way: `--info-fd` gets the first process of the new PID namespace, `--block-fd` is read before the command starts.
Started alone (`python -I -S`), with nothing of ours in its memory, environment or open files.

The outer process waits for the inner one, which builds the file system, gives up all rights and becomes the command.
When that ends, the kernel ends all that it has started.
"""

import os
import sys

import landlock
import system_calls as system
from new_root import NewRoot

_USER = 1000  # in the sandbox; outside it is whoever runs the server


class Plan:
    """What the arguments say."""

    def __init__(self, arguments: list[str]) -> None:
        self.steps: list[tuple[str, list[str], int]] = []  # option, its arguments, size
        self.environment: dict[str, str] = {}
        self.directory = "/"
        self.share_network = False
        self.info = self.block = -1
        size = 0
        rest = iter(arguments)
        for option in rest:
            if option == "--":
                break
            if option == "--size":
                size = int(next(rest))
            elif option == "--setenv":
                name = next(rest)
                self.environment[name] = next(rest)
            elif option == "--chdir":
                self.directory = next(rest)
            elif option == "--share-net":
                self.share_network = True
            elif option == "--info-fd":
                self.info = int(next(rest))
            elif option == "--block-fd":
                self.block = int(next(rest))
            else:
                pair = option in ("--bind", "--ro-bind", "--symlink")
                self.steps.append((option, [next(rest) for _ in range(1 + pair)], size))
                size = 0
        self.command = list(rest)

    def of(self, *options: str) -> list[str]:
        """Destinations of these steps."""
        return [values[-1] for option, values, _ in self.steps if option in options]


def main() -> int:
    system.die_with_parent()
    plan = Plan(sys.argv[1:])
    user, group = os.geteuid(), os.getegid()
    flags = sum(system.NEW_NAMESPACES.values()) | (0 if plan.share_network else system.NEW_NETWORK)
    system.unshare(flags)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{_USER} {user} 1")
    _write("/proc/self/gid_map", f"{_USER} {group} 1")
    lifeline, _held = os.pipe()  # closes when this process ends
    inner = os.fork()
    if inner == 0:
        os.close(_held)
        os._exit(_first_process(plan, lifeline))
    os.write(plan.info, f'{{"child-pid": {inner}}}'.encode())
    os.close(plan.info)
    os.close(plan.block)
    _, status = os.waitpid(inner, 0)
    return _exit_code(status)


def _first_process(plan: Plan, lifeline: int) -> int:
    try:
        _confine(plan, lifeline)
        if os.read(plan.block, 1) == b"":
            return 1  # the server is gone
        for number in (system.SIGPIPE, system.SIGXFSZ):  # Python ignores them
            system.default_signal(number)
        os.set_inheritable(plan.block, False)
        os.chdir(plan.directory)
        os.execvpe(plan.command[0], plan.command, plan.environment)
    except OSError as error:
        os.write(2, f"sandbox: {error}\n".encode())
    return 1


def _confine(plan: Plan, lifeline: int) -> None:
    os.close(plan.info)
    os.setsid()
    if not plan.share_network:
        system.bring_loopback_up()
    _build(plan)
    system.no_new_privileges()
    landlock.restrict(
        readable=["/"],
        devices=plan.of("--dev"),
        writable=[path for path in plan.of("--bind", "--tmpfs", "--dir") if os.path.isdir(path)],
    )
    system.drop_capabilities()
    system.die_with_parent()
    os.set_blocking(lifeline, False)
    try:
        os.read(lifeline, 1)
    except BlockingIOError:
        return
    raise ProcessLookupError("the server is gone")


def _build(plan: Plan) -> None:
    root = NewRoot()
    for option, values, size in plan.steps:
        if option == "--bind":
            root.bind(*values)
        elif option == "--ro-bind":
            root.bind(*values, read_only=True)
        elif option == "--tmpfs":
            root.temporary(*values, size)
        elif option == "--symlink":
            root.symlink(*values)
        elif option == "--dir":
            root.directory(*values)
        elif option == "--proc":
            root.proc(*values)
        elif option == "--dev":
            root.devices(*values)
        elif option == "--remount-ro":
            root.make_read_only(*values)
        else:
            raise OSError(22, f"unknown option {option}")
    root.enter()


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
