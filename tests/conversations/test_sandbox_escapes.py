"""What a command in the sandbox tries in order to get out of it, at both levels; none of it may work."""

import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from conversations.sandbox import Level, command
from tests.processes import eventually

HUSH = "sk-never-to-be-seen"
BYSTANDER = "600.0625"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def bystander():
    """A process of the server's user outside of the sandbox."""
    with subprocess.Popen(["sleep", BYSTANDER]) as process:
        yield process
        assert process.poll() is None
        process.kill()


@pytest.fixture(autouse=True)
def _secrets_of_the_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", HUSH)


async def test_the_environment_is_its_own(sh):
    outcome = await sh("env; cat /proc/*/environ; cat /proc/self/../*/environ")
    assert HUSH not in outcome.output
    names = set(re.findall(r"^(\w+)=", outcome.output, re.MULTILINE))
    assert names == {"PATH", "HOME", "USER", "LANG", "TERM", "PWD", "SHLVL", "_"}


async def test_it_inherits_no_open_file(sh, tmp_path):
    (tmp_path / "key").write_text(HUSH)
    descriptor = os.open(tmp_path / "key", os.O_RDONLY)
    os.set_inheritable(descriptor, True)
    try:
        outcome = await sh("for fd in /proc/[0-9]*/fd/*; do readlink $fd; done")
    finally:
        os.close(descriptor)
    assert HUSH not in outcome.output
    assert "key" not in outcome.output
    assert "socket:" not in outcome.output
    assert "pipe:" in outcome.output


async def test_it_sees_no_process_but_its_own(sh, bystander):
    outcome = await sh("cat /proc/[0-9]*/cmdline | tr '\\0' '\\n'; echo; ls -d /proc/[0-9]* | wc -l")
    assert BYSTANDER not in outcome.output
    assert int(outcome.output.split()[-1]) <= 6


@pytest.mark.parametrize(
    "line", ["kill -9 {pid}", "kill -9 -1", "kill -9 -{pid}", "kill -9 -- -1; kill -9 0"]
)
async def test_it_kills_nothing_outside(sh, bystander, line):
    await sh(line.format(pid=bystander.pid))
    assert bystander.poll() is None


async def test_it_traces_nothing_outside(sh, bystander):
    attach = f"perl -e 'print syscall(101, 16, {bystander.pid}, 0, 0)'"
    assert (await sh(attach)).output == "-1"
    assert (await sh(f"ls /proc/{bystander.pid}/mem")).exit_code


async def test_it_reaches_no_service_of_this_machine(sh):
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect = f"exec 3<>/dev/tcp/127.0.0.1/{server.getsockname()[1]} && echo reached"
        assert "reached" not in (await sh(connect)).output
        # The same with network, which shows that the line does what it says.
        assert "reached" in (await sh(connect, network=True)).output


async def test_it_has_a_loopback_of_its_own(sh):
    line = """perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0); bind(S, sockaddr_in(7001, INADDR_LOOPBACK)) or die;
        listen(S, 1); socket(C, PF_INET, SOCK_STREAM, 0); connect(C, sockaddr_in(7001, INADDR_LOOPBACK)) or die;
        print "connected"'"""
    assert (await sh(line)).output == "connected"


async def test_it_reaches_no_abstract_socket(sh):
    name = f"penguin-test-{secrets.token_hex(4)}"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"\0{name}")
        server.listen()
        line = f"""perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0);
            print connect(S, pack("S a*", AF_UNIX, "\\0{name}")) ? "reached" : "refused"'"""
        assert (await sh(line)).output == "refused"


async def which(sh, attempt: str, cases: Iterable[str]) -> set[str]:
    """The cases in which the attempt succeeds, `$1` being the case."""
    script = f"attempt() {{ {attempt}; }}\n" + "".join(
        f"(attempt {shlex.quote(case)}) > /dev/null 2>&1 && echo YES {shlex.quote(case)}\n" for case in cases
    )
    return {line[4:] for line in (await sh(script)).output.splitlines() if line.startswith("YES ")}


async def test_it_reads_nothing_of_the_machine(sh):
    hidden = """
        /etc/shadow /etc/ssl/private /root /home /var /run /sys /opt /srv /mnt /boot /proc/1/root/root /dev/mem /dev/sda
        /proc/self/root/etc/shadow /proc/self/cwd/../../../../../etc/shadow /dev/vda /dev/kmsg /dev/disk"""
    assert await which(sh, 'cat "$1" || ls "$1"/*', ["/etc/passwd", *hidden.split()]) == {"/etc/passwd"}


async def test_it_reads_nothing_beside_its_root(sh, root, tmp_path):
    (tmp_path / "secret").write_text(HUSH)
    (root / "link").symlink_to(tmp_path / "secret")
    (root / "above").symlink_to("..")
    outcome = await sh(
        f"cat ../secret {tmp_path}/secret link above/secret /proc/1/root{tmp_path}/secret; "
        f"ln -s {tmp_path}/secret mine; cat mine; ls ..; ls above"
    )
    assert HUSH not in outcome.output
    assert "secret\n" not in outcome.output.replace("secret: No such", "")


async def test_it_writes_to_nothing_of_the_system(sh):
    """It only opens: if it could, this test would change the machine that it runs on."""
    closed = """
        /x /usr/x /usr/bin/x /etc/x /etc/passwd /dev/x /proc/x /proc/sys/kernel/core_pattern /proc/sysrq-trigger
        /proc/sys/kernel/hostname /proc/sys/vm/drop_caches /proc/1/oom_score_adj /proc/self/oom_score_adj /bin/sh
        /lib/x"""
    assert await which(sh, ': >> "$1"', ["/tmp/x", *closed.split()]) == {"/tmp/x"}


@pytest.mark.parametrize("path", ["../x", "{outside}/x", "above/x", "{outside}/other/x"])
async def test_it_writes_nothing_beside_its_root(sh, root, tmp_path, path):
    """Above a root in /tmp it sees directories of its own, which are gone when it ends."""
    (root / "above").symlink_to("..")
    (tmp_path / "other").mkdir()
    await sh(f"echo x > {path.format(outside=tmp_path)}")
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "other" / "x").exists()


async def test_it_has_no_rights(sh):
    lines = [
        "unshare --user true",
        "unshare --mount true",
        "mount -t tmpfs none /tmp",
        "mount --bind /usr .",
        "mount -o remount,rw,bind /usr",
        "umount /tmp",
        "chroot . /bin/true",
        "mknod sda b 8 0",
        "mknod null c 1 3",
        "chown 0:0 .",
        "hostname other",
        "nsenter --target 1 --mount true",
        "setpriv --inh-caps +all true",
        "cat < /dev/tty",
    ]
    assert await which(sh, 'eval "$1"', [*lines, "true"]) == {"true"}


async def test_it_has_no_capabilities_and_gets_none(sh):
    status = (await sh("cat /proc/self/status")).output
    assert set(re.findall(r"^Cap(?:Inh|Prm|Eff|Bnd|Amb):\s+(\w+)", status, re.MULTILINE)) == {"0" * 16}
    assert re.search(r"^NoNewPrivs:\s+1", status, re.MULTILINE)


async def test_the_first_process_of_the_sandbox_holds_nothing_either(sh):
    status = (await sh("cat /proc/1/status")).output
    assert set(re.findall(r"^Cap(?:Inh|Prm|Eff|Amb):\s+(\w+)", status, re.MULTILINE)) == {"0" * 16}


async def test_what_it_writes_belongs_to_the_servers_user(sh, root):
    await sh("mkdir made && echo hello > made/file && mkfifo made/pipe")
    assert {path.stat().st_uid for path in [root / "made", *(root / "made").iterdir()]} == {os.geteuid()}
    assert (root / "made" / "file").read_text() == "hello\n"


async def test_tmp_is_new_for_each_command(sh):
    await sh("echo left > /tmp/left; echo left > /dev/shm/left; echo left > ~/left")
    outcome = await sh("find /tmp /dev/shm ~ -type f; mktemp")
    assert "left" not in outcome.output
    assert outcome.exit_code == 0


async def test_the_data_dir_inside_the_root_is_seen_as_empty(sh, root, settings):
    settings.PENGUIN_DATA_DIR = root / "app" / ".penguin"
    settings.PENGUIN_DATA_DIR.mkdir(parents=True)
    key = settings.PENGUIN_DATA_DIR / "secret_key"
    key.write_text(HUSH)
    first = await sh(
        "cat app/.penguin/*; ls -A app/.penguin; mv app elsewhere; mv app/.penguin x; rm -rf app/.penguin"
    )
    await sh("echo x > app/.penguin/secret_key; ln -s app/.penguin/secret_key link")
    second = await sh("cat elsewhere/.penguin/secret_key x/secret_key link; find . -name secret_key")
    assert HUSH not in first.output + second.output
    assert "secret_key" not in second.output.replace("secret_key: No such", "")
    assert key.read_text() == HUSH


async def test_a_root_inside_the_data_dir_shows_nothing_else_of_it(level, settings):
    data = settings.PENGUIN_DATA_DIR.resolve()
    (data / "secret_key").write_text(HUSH)
    own, other = data / "workspace" / "users" / "1", data / "workspace" / "users" / "2"
    for folder in (own, other):
        folder.mkdir(parents=True)
        (folder / "file").write_text(folder.name)
    outcome = await command.run(
        command.shell_line(f"cat file; cat {data}/secret_key; ls {data} ../ ../2; echo x > ../2/file"),
        command.box_for(own, ".", network=False),
        seconds=20,
    )
    assert outcome.output.startswith("1")
    assert HUSH not in outcome.output
    assert (other / "file").read_text() == "2"


@pytest.mark.parametrize("place", ["/tmp", "/var/tmp"])
async def test_a_root_may_lie_anywhere(level, place):
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = Path(folder)
        (path / "sub").mkdir()
        outcome = await command.run(
            command.shell_line("pwd; echo x > ../file"),
            command.box_for(path, "sub", network=False),
            seconds=20,
        )
        assert outcome.output == f"{path}/sub\n"
        assert (path / "file").exists()


def test_it_dies_with_a_killed_server(level, root):
    """SIGKILL leaves the server no chance to tidy up."""
    marker = f"6{secrets.randbelow(10**9):09}"
    code = f"""
import asyncio, django; django.setup()
from pathlib import Path
from conversations.sandbox import command
line = "trap '' TERM HUP; (setsid nohup sleep {marker} >/dev/null 2>&1 &); echo up; sleep {marker}"
box = command.box_for(Path({str(root)!r}), ".", network=False)
asyncio.run(command.run(command.shell_line(line), box, seconds=60, progress=lambda text: print(text, flush=True)))
"""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "penguin_site.settings",
        "PENGUIN_SANDBOX": level.value,
    }
    environment["PENGUIN_DATA_DIR"] = str(root / "data")
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout.readline() == b"up\n"
        assert len(with_marker(marker)) > 2
        server.send_signal(signal.SIGKILL)
    eventually(lambda: not with_marker(marker))


def test_it_works_for_an_ordinary_user(level):
    """Where these tests run as root; elsewhere all the others are that test."""
    if os.geteuid() != 0:
        pytest.skip("not root: every other test shows it")
    folder = Path(tempfile.mkdtemp(prefix="penguin-user-"))
    folder.chmod(0o777)
    code = f"""
import asyncio, os, sys, django; django.setup()
from pathlib import Path
from conversations.sandbox import box, command, level
root = Path({str(folder)!r}).resolve()
os.setgroups([]); os.setgid(65534); os.setuid(65534)
if not os.access(box.__file__, os.R_OK):
    sys.exit("this checkout cannot be read by others")
if not os.access(sys.executable, os.X_OK):
    sys.executable = "/usr/bin/python3"
line = command.shell_line("echo x > file; cat /etc/shadow; id -u")
async def main():
    if level() != "none":
        outcome = await command.run(line, command.box_for(root, ".", network=False), seconds=20)
        print(level().value, outcome, os.stat(root / "file").st_uid)
asyncio.run(main())
"""
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "penguin_site.settings",
        "PENGUIN_SANDBOX": level.value,
    }
    environment["PENGUIN_DATA_DIR"] = str(folder / "data")
    try:
        result = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(folder)
    out, err = result.stdout, result.stderr
    if "cannot be read by others" in err:
        pytest.skip(err)
    if level == Level.LANDLOCK and not out and not err:
        pytest.skip("no Python that others can start")
    assert out.startswith(level.value), out + err
    assert out.rstrip().endswith("65534")
    assert "1000" in out
    assert "No such file" in out


def with_marker(marker: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes().split(b"python")[0]:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
