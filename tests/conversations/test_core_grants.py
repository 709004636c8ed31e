"""What a grant covers: every part of a call, or the call is asked about."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core import argv
from conversations.core.digests import hash_of
from conversations.core.grants import (
    InvalidPattern,
    covers_all,
    kind_of,
    of_pattern,
    same_again,
)
from conversations.core.path_globs import matches
from conversations.tools.base import Targets

ROOT = "/srv/project"


def command(line: str, **more) -> Targets:
    return Targets(command=line, argvs=argv.parse(line), **more)


def covered(*matchers, by: Targets, arguments=None, root=ROOT) -> bool:
    return covers_all(matchers, touched=by, arguments=arguments or {}, root=root)


def text(pattern) -> dict:
    return {"kind": "argv", "pattern": pattern}


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ("pytest *", "pytest -q", True),
        ("pytest *", "pytest", True),  # the star stands for no word, too
        ("pytest *", "pytest -q && pytest -x", True),
        ("pytest *", "pytest && rm x", False),  # one uncovered command
        ("pytest *", "pytest | tee x", False),
        ("pytest *", "pytestx", False),
        ("pytest *", "/tmp/pytest -q", False),  # another program
        ("pytest *", "pytest $(rm x)", False),
        ("pytest *", "pytest; `rm x`", False),
        ("pytest *", "pytest > /etc/passwd", False),
        ("pytest *", "PATH=. pytest", False),
        ("pytest *", "env pytest", False),
        ("pytest", "pytest", True),
        ("pytest", "pytest -q", False),
        ("npm run test:*", "npm run test:unit", True),
        ("npm run test:*", "npm run test:unit --force", False),
        ("git commit -m *", "git commit -m 'a b'", True),
        ("git commit -m ?", "git commit -m ab", False),
        ("'two words' *", "'two words' x", True),
        ("a[1] *", "'a[1]' x", True),  # brackets are themselves
        ("a[1] *", "a1 x", False),
        (["git", "status"], "git status -s", True),
        (["git", "status"], "git push", False),
        (["git", "*"], "git push", False),  # a list has no wildcards
        ("*", "rm x", True),
        ("*", "rm $x", False),
    ],
)
def test_command_patterns(pattern, line, expected):
    assert covered(text(pattern), by=command(line)) is expected


def test_several_grants_together_cover_a_line():
    line = command("pytest -q | tail -5")
    assert not covered(text("pytest *"), by=line)
    assert covered(text("pytest *"), text("tail *"), by=line)


def test_the_same_line_again_and_nothing_else():
    [granted] = same_again(command("make && ./run x"), {}, root=ROOT)
    assert covered(granted, by=command("make && ./run x"))
    for other in ("make", "./run x", "make; ./run x", "make | ./run x", "make && ./run y", "./run x && make"):
        assert not covered(granted, by=command(other)), other
    assert not covered(granted, by=command("make && ./run x", cwd="sub"))


def test_one_command_again_is_its_words():
    [granted] = same_again(command("ls  -l"), {}, root=ROOT)
    assert covered(granted, by=command("ls -l"))
    assert not covered(granted, by=command("ls -l /"))


def test_nothing_can_be_granted_for_what_cannot_be_told():
    assert same_again(command("rm $x"), {}, root=ROOT) == []


@pytest.mark.parametrize("kind", ["any", "argv", "arguments"])
def test_network_takes_a_grant_of_a_call_with_network(kind):
    pattern = {"any": "*", "argv": "pip *", "arguments": hash_of({})}[kind]
    wanted = command("pip download x", network=True)
    assert not covered({"kind": kind, "pattern": pattern}, by=wanted)
    assert covered({"kind": kind, "pattern": pattern, "network": True}, by=wanted)
    assert same_again(wanted, {}, root=ROOT)[0]["network"] is True


def test_the_same_files_again():
    matchers = same_again(Targets(deletes=("a",), writes=("b",), reads=("b",)), {}, root=ROOT)
    assert covered(*matchers, by=Targets(deletes=("a",), writes=("b",)))
    assert covered(*matchers, by=Targets(writes=("a",)))  # less than deleting it
    assert not covered(*matchers, by=Targets(deletes=("b",)))  # more than writing it
    assert not covered(*matchers, by=Targets(writes=("c",)))
    assert not covered(*matchers, by=Targets(writes=("b",)), root="/elsewhere")


def test_a_name_with_wildcards_in_it_is_granted_as_a_name():
    matchers = same_again(Targets(deletes=("*.txt",)), {}, root=ROOT)
    assert not covered(*matchers, by=Targets(deletes=("b.txt",)))


@pytest.mark.parametrize(
    ("pattern", "paths", "expected"),
    [
        ("build/**", ("build/a", "build/b/c"), True),
        ("build/**", ("build/a", "src/b"), False),
        ("build/*", ("build/a",), True),
        ("build/*", ("build/b/c",), False),
        ("*.txt", ("a.txt",), True),
        ("*.txt", ("sub/a.txt",), False),  # what allows is read as it is written
        ("/srv/project/build/**", ("build/a",), True),
        ("/other/build/**", ("build/a",), False),
    ],
)
def test_path_patterns(pattern, paths, expected):
    assert covered({"kind": "path", "pattern": pattern}, by=Targets(deletes=paths)) is expected


@pytest.mark.parametrize(
    ("pattern", "hosts", "expected"),
    [
        ("example.org", ("example.org",), True),
        ("*.example.org", ("docs.example.org",), True),
        ("*.example.org", ("example.org.evil.test",), False),
        (["example.org"], ("Example.org",), True),
        (["example.org"], ("example.org", "other.test"), False),
    ],
)
def test_host_patterns(pattern, hosts, expected):
    assert covered({"kind": "host", "pattern": pattern}, by=Targets(hosts=hosts)) is expected


def test_a_tool_that_shows_nothing_is_granted_by_its_arguments():
    foreign = Targets(foreign=True)
    [granted] = same_again(foreign, {"a": 1}, root=ROOT)
    assert covered(granted, by=foreign, arguments={"a": 1})
    assert not covered(granted, by=foreign, arguments={"a": 2})
    assert covered({"kind": "any"}, by=foreign, arguments={"a": 2})
    assert not covered({"kind": "path", "pattern": "**"}, by=foreign)


@pytest.mark.parametrize(
    ("kind", "pattern"),
    [
        ("argv", ""),
        ("argv", "   "),
        ("argv", "echo 'open"),
        ("argv", []),
        ("argv", ["a", ""]),
        ("argv", "x" * 2000),
        ("path", ["a", "b"]),
        ("any", "some"),
    ],
)
def test_patterns_that_say_nothing(kind, pattern):
    with pytest.raises(InvalidPattern):
        of_pattern(kind, pattern)


@pytest.mark.parametrize(
    ("targets", "kind"),
    [
        (Targets(command="ls", argvs=(("ls",),)), "argv"),
        (Targets(deletes=("a",)), "path"),
        (Targets(hosts=("a",)), "host"),
        (Targets(foreign=True), "any"),
        (Targets(), "any"),
    ],
)
def test_the_kind_of_pattern_that_fits(targets, kind):
    assert kind_of(targets) == kind


words = st.lists(st.text(alphabet="ab-*?[]", min_size=1, max_size=4), min_size=1, max_size=3)


@given(words, st.sampled_from(["argv", "any"]))
def test_no_grant_ever_covers_what_cannot_be_told(pattern, kind):
    untold = Targets(command="x", argvs=None)
    matcher = {"kind": kind, "pattern": " ".join(pattern), "network": True}
    assert not covered(matcher, by=untold)
    assert not covered({"kind": "argv", "pattern": pattern, "network": True}, by=untold)


@pytest.mark.parametrize(
    ("path", "pattern", "generous", "expected"),
    [
        ("a/secrets/x", "secrets", True, True),  # a bare name counts everywhere, with all beneath it
        ("a/secrets/x", "secrets", False, False),
        ("src/a/b.py", "src/**/*.py", False, True),
        ("src/b.py", "src/**/*.py", False, True),
        ("src/b.pyc", "src/**/*.py", False, False),
        ("src", "src/**", False, True),
        ("src/x", "src/", False, True),
        ("src/x", "src", True, True),
        ("srcx/x", "src", True, False),
        ("./a//b", "a/b", False, True),
        ("a[1].txt", "a[1].txt", False, True),
        ("a1.txt", "a[1].txt", False, False),
        ("x/y", "/srv/project/x/*", False, True),
        ("x/y", "/srv/project/x", True, True),
        ("x", "/", True, False),
        ("", "*", False, False),
        ("a" * 60, "*a" * 30 + "b", False, False),  # at once, not in years
    ],
)
def test_path_globs(path, pattern, generous, expected):
    assert matches(path, pattern, root=ROOT, generous=generous) is expected
