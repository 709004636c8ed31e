"""The policy as a table: what runs, what is asked about, what is refused, and which rule says so."""

import pytest

from conversations.core import argv
from conversations.core.command_words import secret_word
from conversations.core.policy import Call, Mode, StandingGrant, decide
from conversations.core.rules import InvalidRule, is_tightening, parse_rules
from conversations.core.secret_files import is_secret
from conversations.tools.base import Targets

READ = Targets(reads=("a.txt",))
WRITE = Targets(writes=("a.txt",))
DELETE = Targets(deletes=("a.txt",))
FETCH = Targets(hosts=("example.org",))
FOREIGN = Targets(foreign=True)
OTHER = Targets()


def command(line: str, **more) -> Targets:
    return Targets(command=line, argvs=argv.parse(line), **more)


def call(touched: Targets, **more) -> Call:
    facts = {
        "tool": "some_tool",
        "definition_hash": "d1",
        "changes_nothing": touched in (READ,),
        "arguments": {},
        "touched": touched,
        "root": "/srv/project",
        "sandbox": "bubblewrap",
    }
    return Call(**facts | more)


def ruled(touched, mode="workspace", rules=(), grants=(), **more) -> tuple[str, str]:
    decision = decide(call(touched, **more), mode=Mode(mode), rules=parse_rules(list(rules)), grants=grants)
    assert decision.reason
    return decision.verdict.value, decision.rule


@pytest.mark.parametrize(
    ("touched", "read_only", "workspace", "full"),
    [
        (READ, "allow", "allow", "allow"),
        (WRITE, "deny", "allow", "allow"),
        (DELETE, "deny", "ask", "allow"),
        (command("ls"), "deny", "ask", "allow"),
        (command("ls $x"), "deny", "ask", "ask"),  # nobody can tell what it does
        (command("pip download x", network=True), "deny", "ask", "ask"),
        (FETCH, "deny", "ask", "ask"),
        (FOREIGN, "deny", "ask", "ask"),
        (OTHER, "deny", "ask", "allow"),
    ],
    ids=["read", "write", "delete", "command", "untold", "network", "fetch", "foreign", "other"],
)
def test_modes(touched, read_only, workspace, full):
    assert ruled(touched, "read_only")[0] == read_only
    assert ruled(touched, "workspace")[0] == workspace
    assert ruled(touched, "full")[0] == full
    planned = {ruled(touched, mode, plan_mode=True)[0] for mode in ("workspace", "full")}
    assert planned == ({"allow"} if read_only == "allow" else {"deny"})


def test_plan_mode_says_why():
    decision = decide(call(WRITE, plan_mode=True), mode=Mode.FULL, rules=())
    assert decision.rule == "plan_mode"
    assert "plan" in decision.reason


def test_commands_need_a_sandbox_in_every_mode():
    for mode in Mode:
        assert ruled(command("ls"), mode, sandbox="none") == ("deny", "no_sandbox")
    approved = ruled(command("ls"), sandbox="none", is_approved=True)
    assert approved == ("deny", "no_sandbox")
    assert ruled(WRITE, sandbox="none")[0] == "allow"


def test_a_foreign_tool_runs_in_full_mode_as_it_was_approved():
    assert ruled(FOREIGN, "full", is_pinned=True)[0] == "allow"
    assert ruled(FOREIGN, "full", is_pinned=False) == ("ask", "not_pinned")
    assert ruled(FOREIGN, "workspace", is_pinned=True)[0] == "ask"


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("touched", [Targets(reads=(".env",)), Targets(writes=("a/.ssh/id_rsa",))], ids=str)
def test_secret_files_are_refused_whatever_is_allowed(mode, touched):
    rules = [{"decision": "allow", "path": "**"}, {"decision": "allow", "tool": "*"}]
    assert ruled(touched, mode, rules, is_approved=True) == ("deny", "secret_file")


def test_gits_config_is_not_written():
    assert ruled(Targets(writes=(".git/config",)), "full") == ("deny", "protected_file")
    assert ruled(Targets(deletes=("sub/.git/hooks/pre-commit",)), "full") == ("deny", "protected_file")
    assert ruled(Targets(reads=(".git/config",)), changes_nothing=True)[0] == "allow"


def test_a_command_that_names_a_secret_asks_and_only_the_same_one_is_granted():
    line = command("cat .env")
    assert ruled(line, "full") == ("ask", "secret_file")
    wide, same = grant("g1", {"kind": "argv", "pattern": "cat *"}), grant("g2", same_line("cat .env"))
    assert ruled(line, "full", grants=[wide])[0] == "ask"
    assert ruled(line, "full", rules=[{"decision": "allow", "argv": ["cat"]}])[0] == "ask"
    assert ruled(line, "full", grants=[same]) == ("allow", "grant:g2")


# Rules


def rule(decision: str, **about) -> dict:
    return {"decision": decision, **about}


@pytest.mark.parametrize(
    ("rules", "touched", "expected"),
    [
        ([rule("allow", argv=["pytest"])], command("pytest -q"), ("allow", "rule:1")),
        ([rule("allow", argv=["pytest"])], command("pytest && rm x"), ("ask", "mode:workspace")),
        (
            [rule("allow", argv=["pytest"]), rule("allow", argv=["tail"])],
            command("pytest | tail"),
            ("allow", "rule:1"),
        ),
        ([rule("allow", argv=["pytest"])], command("/tmp/pytest"), ("ask", "mode:workspace")),
        ([rule("allow", tool="some_*")], command("ls"), ("allow", "rule:1")),
        ([rule("allow", tool="some_*")], command("ls $x"), ("ask", "unreadable_command")),
        ([rule("allow", tool="some_*")], command("ls", network=True), ("ask", "network")),
        ([rule("allow", tool="some_*")], FETCH, ("allow", "rule:1")),
        ([rule("allow", tool="some_*")], FOREIGN, ("ask", "not_pinned")),
        ([rule("allow", tool="other")], command("ls"), ("ask", "mode:workspace")),
        ([rule("allow", path="build/**")], Targets(deletes=("build/x",)), ("allow", "rule:1")),
        ([rule("allow", path="build/**")], Targets(deletes=("build/x", "y")), ("ask", "mode:workspace")),
        ([rule("ask", path="*.sql")], Targets(writes=("db/x.sql", "a")), ("ask", "rule:1")),
        ([rule("ask", tool="some_tool")], READ, ("ask", "rule:1")),
        ([rule("deny", path="secrets")], Targets(reads=("a/secrets/x",)), ("deny", "rule:1")),
        ([rule("deny", path="secrets/**")], command("cat ./secrets/x"), ("deny", "rule:1")),
        ([rule("deny", path="secrets/**")], command("cat /srv/project/secrets/x"), ("deny", "rule:1")),
        ([rule("deny", path="secrets/**")], command("tool --file=secrets/x"), ("deny", "rule:1")),
        ([rule("deny", argv=["rm"])], command("ls && /bin/rm x"), ("deny", "rule:1")),
        ([rule("deny", argv=["git", "push"])], command("git push -f"), ("deny", "rule:1")),
        ([rule("deny", argv=["git", "push"])], command("git pull"), ("ask", "mode:workspace")),
        ([rule("deny", tool="some_tool")], command("ls $x"), ("deny", "rule:1")),
        ([rule("deny", tool="some_tool", argv=["rm"])], command("ls"), ("ask", "mode:workspace")),
        # deny before ask before allow, in whatever order they stand
        ([rule("allow", tool="*"), rule("ask", tool="*"), rule("deny", tool="*")], WRITE, ("deny", "rule:3")),
        ([rule("allow", tool="*"), rule("ask", tool="*")], WRITE, ("ask", "rule:2")),
    ],
    ids=str,
)
def test_rules_in_the_workspace_mode(rules, touched, expected):
    assert ruled(touched, "workspace", rules) == expected


def test_no_rule_allows_more_than_reading_in_a_mode_that_only_reads():
    everything = [rule("allow", tool="*")]
    assert ruled(WRITE, "read_only", everything) == ("deny", "mode:read_only")
    assert ruled(WRITE, "full", everything, plan_mode=True) == ("deny", "plan_mode")


@pytest.mark.parametrize(
    "value",
    [
        {},
        "x",
        [1],
        [{}],
        [{"decision": "allow"}],
        [{"decision": "maybe", "tool": "x"}],
        [{"decision": "allow", "tool": 5}],
        [{"decision": "allow", "tool": " "}],
        [{"decision": "allow", "argv": "pytest"}],
        [{"decision": "allow", "argv": []}],
        [{"decision": "allow", "argv": ["a", ""]}],
        [{"decision": "allow", "paths": "x", "tool": "y"}],
        [{"decision": "deny", "tool": "x"}] * 201,
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_rule(value):
    with pytest.raises(InvalidRule):
        parse_rules(value)


A, B = rule("allow", tool="a"), rule("allow", tool="b")
D, Q = rule("deny", tool="d"), rule("ask", tool="q")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [D, Q], True),
        ([A], [], True),
        ([A, D], [D], True),
        ([D], [Q, D], True),
        ([], [A], False),
        ([D], [], False),
        ([Q], [D], False),  # what asked before may run now where a mode allows it
        ([A], [B], False),
    ],
)
def test_what_makes_rules_stricter(before, after, expected):
    assert is_tightening(parse_rules(before), parse_rules(after)) is expected


# Grants


def same_line(line: str) -> dict:
    return {"kind": "argv", "pattern": [list(words) for words in argv.parse(line)], "line": line, "cwd": "."}


def grant(grant_id: str, matcher: dict, **more) -> StandingGrant:
    facts = {"tool": "some_tool", "definition_hash": "d1", "sandbox": "bubblewrap"}
    return StandingGrant(id=grant_id, matcher=matcher, **facts | more)


PYTEST = {"kind": "argv", "pattern": "pytest *"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (grant("g", PYTEST), ("allow", "grant:g")),
        (grant("g", {"kind": "any"}), ("allow", "grant:g")),
        (grant("g", PYTEST, definition_hash="d2"), ("ask", "mode:workspace")),  # the tool is another one
        (grant("g", PYTEST, sandbox="landlock"), ("ask", "mode:workspace")),
        (grant("g", PYTEST, tool="other"), ("ask", "mode:workspace")),
        (grant("g", {"kind": "argv", "pattern": "ls *"}), ("ask", "mode:workspace")),
    ],
)
def test_grants(given, expected):
    assert ruled(command("pytest -q"), grants=[given]) == expected


def test_a_grant_answers_a_rule_that_asks_only_when_it_is_newer():
    asks = [rule("ask", argv=["pytest"])]
    assert ruled(command("pytest"), rules=asks, grants=[grant("g", PYTEST)]) == ("allow", "grant:g")
    older = grant("g", PYTEST, is_newer_than_rules=False)
    assert ruled(command("pytest"), rules=asks, grants=[older]) == ("ask", "rule:1")


def test_no_grant_stands_against_a_denial():
    everything = [grant("g", {"kind": "any", "network": True})]
    assert ruled(command("pytest"), rules=[rule("deny", argv=["pytest"])], grants=everything)[0] == "deny"
    assert ruled(command("pytest"), "read_only", grants=everything)[0] == "deny"
    assert ruled(WRITE, plan_mode=True, grants=everything)[0] == "deny"


def test_a_grant_and_a_rule_together_cover_a_line():
    line = command("pytest | tail")
    assert ruled(line, rules=[rule("allow", argv=["tail"])], grants=[grant("g", PYTEST)]) == (
        "allow",
        "grant:g",
    )


def test_a_yes_to_this_very_call_answers_all_that_asks_and_nothing_that_denies():
    for touched in (command("ls $x"), FETCH, FOREIGN, DELETE, command("x", network=True)):
        assert ruled(touched, is_approved=True) == ("allow", "approval")
    assert ruled(WRITE, rules=[rule("ask", tool="*")], is_approved=True) == ("allow", "approval")
    assert ruled(DELETE, rules=[rule("deny", tool="*")], is_approved=True)[0] == "deny"
    assert ruled(DELETE, "read_only", is_approved=True)[0] == "deny"


# Names of files


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (".env", True),
        (".env.local", True),
        ("sub/.ENV", True),
        (".envrc", True),
        ("server.pem", True),
        ("id_rsa", True),
        ("keys/id_ed25519.pub", True),
        (".ssh/known_hosts", True),
        ("home/.aws/config", True),
        (".netrc", True),
        ("id_generator.py", False),
        ("environment.py", False),
        ("env", False),
        ("src/pem.py", False),
        ("", False),
    ],
)
def test_names_of_secret_files(path, secret):
    assert is_secret(path) is secret


@pytest.mark.parametrize(
    ("word", "secret"),
    [
        (".env", True),
        ("--file=.env", True),
        ("HEAD:.env", True),
        ("@id_rsa", True),
        ("/root/.ssh/id_rsa", True),
        ("-q", False),
        ("src/main.py", False),
    ],
)
def test_words_that_name_secret_files(word, secret):
    assert secret_word(word) is secret
