"""What a command can use up is bounded, and capabilities say truly by what."""

import os

import pytest

from conversations.sandbox import cgroups, command, detection
from conversations.sandbox.limits import Limits, limits_for
from conversations.sandbox.output import Output
from conversations.sandbox.start import SandboxError

MIB = 1024 * 1024
COUNT_PROCESSES = """perl -e 'while ($n < 3000) { my $p = fork; last if !defined $p; if (!$p) { sleep 60; exit } $n++ }
    print "forked $n"'"""


async def test_memory_is_bounded(sh, settings):
    line = "perl -e '$x = \"a\" x (200 << 20); print length $x'"
    assert str(200 * MIB) in (await sh(line)).output
    settings.PENGUIN_COMMAND_MEMORY_BYTES = 100 * MIB
    outcome = await sh(line)
    assert outcome.exit_code
    assert str(200 * MIB) not in outcome.output


async def test_the_memory_of_many_processes_is_bounded_where_it_is_said_to_be(sh, settings):
    if detection.report()["limits"]["memory_of"] != "command":
        pytest.skip("no control group for memory can be made here")
    settings.PENGUIN_COMMAND_MEMORY_BYTES = 100 * MIB
    hog = 'perl -e \'$x = "a" x (30 << 20); print "got it\\n"; sleep 3\''
    outcome = await sh(f"for i in 1 2 3 4 5 6 7 8; do {hog} & done; wait")
    assert outcome.output.splitlines().count("got it") < 8


async def test_temporary_files_are_bounded(sh):
    outcome = await sh(
        "for place in /tmp /dev/shm; do head -c 700M /dev/zero > $place/file; done; cat /tmp/file /dev/shm/file | wc -c"
    )
    assert int(outcome.output.split()[-1]) <= 2 * 512 * MIB


async def test_processes_are_bounded_where_they_are_said_to_be(sh):
    most = detection.report()["limits"]["processes"]
    if most is None:
        assert os.geteuid() == 0
        pytest.skip("root, and no control group for processes can be made here")
    outcome = await sh(COUNT_PROCESSES)
    forked = int(outcome.output.split("forked ")[1])
    assert 100 < forked <= most


def test_groups_of_version_2_get_limits_and_processes(root, monkeypatch):
    """On files that look like them: this kernel may have its controllers in trees of version 1."""
    place = cgroups._Place(root, 2, ("pids", "memory"), root)
    monkeypatch.setattr(cgroups, "_places", lambda: (place,))
    group = cgroups.Group(Limits(cpu_seconds=1, memory_bytes=1000, processes=7))
    (folder,) = root.iterdir()
    with group.visit():
        group.take_in(4711)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "pids.max": "7",
        "memory.max": "1000",
        "cgroup.procs": "4711",
    }


async def test_a_fork_bomb_ends_with_its_time(sh):
    if detection.report()["limits"]["processes"] is None:
        pytest.skip("root, and no control group for processes can be made here")
    outcome = await sh("b() { b | b & }; b; sleep 60", seconds=1)
    assert "time limit" in outcome.trouble


async def test_a_command_that_fills_the_disk_is_stopped(sh, root, settings):
    found = os.statvfs(root)
    settings.PENGUIN_MIN_FREE_DISK_BYTES = found.f_bavail * found.f_frsize - 400 * MIB
    outcome = await sh("i=0; while :; do i=$((i+1)); head -c 50M /dev/zero > file$i; sleep 0.02; done")
    assert "disk is nearly full" in outcome.trouble


async def test_on_a_full_disk_no_command_is_started(level, root, settings):
    settings.PENGUIN_MIN_FREE_DISK_BYTES = 2**50
    with pytest.raises(SandboxError, match="disk is nearly full"):
        await command.run(["touch", "ran"], command.box_for(root, ".", network=False), seconds=5)
    assert list(root.iterdir()) == []


async def test_resource_limits_are_those_of_the_limits(sh):
    limits = limits_for(20)
    output = (await sh("ulimit -c; ulimit -f; ulimit -n; ulimit -t; ulimit -Hn; ulimit -Hf")).output
    assert [int(word) for word in output.split()] == [
        0, limits.file_bytes // 1024, limits.open_files, limits.cpu_seconds, limits.open_files,
        limits.file_bytes // 1024,
    ]  # fmt: skip


async def test_a_file_cannot_grow_beyond_its_limit(sh, root):
    outcome = await sh(
        'truncate -s 3G file && echo grown; perl -e \'truncate("other", 3<<30) and print "grown"\''
    )
    assert "grown" not in outcome.output
    assert max([path.stat().st_size for path in root.iterdir()], default=0) <= Limits(1, 1).file_bytes


async def test_processor_time_is_bounded(sh, monkeypatch):
    monkeypatch.setattr(command, "limits_for", lambda seconds: Limits(cpu_seconds=1, memory_bytes=512 * MIB))
    outcome = await sh("while :; do :; done")
    assert (outcome.exit_code, outcome.trouble) == (128 + 24, "")


async def test_endless_output_is_kept_within_bounds(sh):
    shown: list[str] = []
    outcome = await sh("echo begin; head -c 12M /dev/zero | tr '\\0' x; echo end", progress=shown.append)
    assert len(outcome.output) < 1.1 * MIB
    assert outcome.output.startswith("begin\n")
    assert outcome.output.endswith("xend\n")
    assert "characters left out" in outcome.output
    assert sum(map(len, shown)) < 0.3 * MIB
    assert "not shown live" in shown[-1]


def kept(*pieces: bytes, half: int = 4) -> str:
    output = Output(half)
    for piece in pieces:
        output.add(piece)
    output.add(b"", final=True)
    return output.text()


@pytest.mark.parametrize(
    "pieces, text",
    [
        ([], ""),
        ([b"12345678"], "12345678"),  # both halves, nothing between
        ([b"12", b"345", b"678"], "12345678"),
        ([b"123456789"], "1234\n[... 1 characters left out ...]\n6789"),
        ([b"1"] * 30 + [b"abcd"], "1111\n[... 26 characters left out ...]\nabcd"),
        ([b"\xc3", b"\xbc"], "\u00fc"),  # a letter in two pieces
        ([b"\xc3"], "\ufffd"),  # and one that never ends
        ([b"a\x00b"], "a\ufffdb"),
        ([b"\xed\xa0\x80"], "\ufffd\ufffd\ufffd"),  # a lone surrogate
    ],
)
def test_output_keeps_the_beginning_and_the_end(pieces, text):
    assert kept(*pieces) == text


def test_output_that_was_taken_is_forgotten():
    output = Output(4)
    output.add(b"123456789")
    assert output.take().endswith("6789")
    output.add(b"ab")
    assert output.take() == "ab"
    assert output.take() == ""
