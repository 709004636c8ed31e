"""The file of MCP servers: what is read from it, and what is wrong with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conversations.core.tool_calls import Effect
from conversations.mcp.config import McpServer, load_servers
from conversations.mcp.names import tool_name
from conversations.mcp.tools import usable_parameters
from tests.processes import ROOT


def load(tmp_path: Path, content: object, **environment: str) -> tuple[McpServer, ...]:
    path = tmp_path / "mcp.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return load_servers(path, environment)


def one(tmp_path: Path, entry: object, **environment: str) -> McpServer:
    [server] = load(tmp_path, {"mcpServers": {"s": entry}}, **environment)
    return server


def test_a_program(tmp_path):
    server = one(
        tmp_path, {"command": "run", "args": ["-x", "${A}/y"], "env": {"B": "${B:-default}", "C": "c"}}, A="a"
    )
    assert server.command == ("run", "-x", "a/y")
    assert server.env == {"B": "default", "C": "c"}
    assert server.cwd == tmp_path
    assert (server.users, server.timeout_seconds) == (None, 60)


def test_an_address(tmp_path):
    server = one(
        tmp_path,
        {"type": "http", "url": "https://x.test/mcp", "headers": {"Authorization": "Bearer ${T}"}},
        T="t",
    )
    assert (server.url, server.headers, server.command) == (
        "https://x.test/mcp",
        {"Authorization": "Bearer t"},
        (),
    )


def test_secrets_are_not_shown(tmp_path):
    server = one(tmp_path, {"command": "run", "env": {"TOKEN": "hunter-1"}})
    other = one(tmp_path, {"url": "https://x.test", "headers": {"X": "hunter-2"}})
    assert "hunter" not in repr((server, other))


def test_the_folder_of_the_file_counts(tmp_path):
    assert one(tmp_path, {"command": "x", "cwd": "sub"}).cwd == tmp_path / "sub"
    assert one(tmp_path, {"command": "x", "cwd": "/srv"}).cwd == Path("/srv")


@pytest.mark.parametrize("key", [{"enabled": False}, {"disabled": True}], ids=["enabled", "disabled"])
def test_entries_can_be_left_out(tmp_path, key):
    """What such an entry says need not even be usable here."""
    assert load(tmp_path, {"mcpServers": {"s": {"command": "${NOT_SET}", **key}}}) == ()


@pytest.mark.parametrize(
    "users, owner, alice",
    [(None, True, False), (["alice"], False, True), (["owner", "alice"], True, True), ([], False, False)],
    ids=range(4),
)
def test_whom_a_server_is_for(tmp_path, users, owner, alice):
    server = one(tmp_path, {"command": "x"} if users is None else {"command": "x", "users": users})
    assert server.is_for("owner", is_local_owner=True) is owner
    assert server.is_for("alice", is_local_owner=False) is alice


def test_effects_by_tool_and_for_all(tmp_path):
    server = one(tmp_path, {"command": "x", "effect": {"search": "read_only", "*": "idempotent"}})
    assert (server.effect_of("search"), server.effect_of("other")) == (Effect.READ_ONLY, Effect.IDEMPOTENT)
    assert one(tmp_path, {"command": "x"}).effect_of("search") is Effect.AT_MOST_ONCE
    assert one(tmp_path, {"command": "x", "effect": "read_only"}).effect_of("any") is Effect.READ_ONLY


@pytest.mark.parametrize(
    "content, complaint",
    [
        ("{", "no JSON"),
        ("[]", "mcpServers"),
        ({"servers": {}}, "mcpServers"),
        ({"mcpServers": []}, "mcpServers"),
        ({"mcpServers": {"a": 1}}, "server 'a': it must be an object"),
        ({"mcpServers": {"": {"command": "x"}}}, "its name"),
        ({"mcpServers": {"a": {}}}, '"command" or "url"'),
        ({"mcpServers": {"a": {"command": "x", "url": "http://x"}}}, '"command" or "url"'),
        ({"mcpServers": {"a": {"command": 1}}}, '"command" must be a text'),
        ({"mcpServers": {"a": {"command": " "}}}, "must not be empty"),
        ({"mcpServers": {"a": {"command": "x", "args": "y"}}}, '"args" must be a list'),
        ({"mcpServers": {"a": {"command": "x", "args": [1]}}}, '"args" must be a list of texts'),
        ({"mcpServers": {"a": {"command": "x", "args": ["\0"]}}}, "NUL"),
        ({"mcpServers": {"a": {"command": "x", "env": {"A": 1}}}}, '"env" must map'),
        ({"mcpServers": {"a": {"command": "x", "env": {"A=B": "1"}}}}, "no name of a variable"),
        ({"mcpServers": {"a": {"command": "x", "env": {"A": "${UNSET}"}}}}, "UNSET, which is not set"),
        ({"mcpServers": {"a": {"command": "x", "users": "alice"}}}, '"users" must be a list'),
        ({"mcpServers": {"a": {"command": "x", "users": [""]}}}, '"users" must be a list of names'),
        ({"mcpServers": {"a": {"command": "x", "enabled": "no"}}}, '"enabled" must be true or false'),
        ({"mcpServers": {"a": {"command": "x", "timeout_seconds": 0}}}, "timeout_seconds"),
        ({"mcpServers": {"a": {"command": "x", "timeout_seconds": True}}}, "timeout_seconds"),
        ({"mcpServers": {"a": {"command": "x", "timeout_seconds": 10**9}}}, "timeout_seconds"),
        ({"mcpServers": {"a": {"command": "x", "effect": "reconcilable"}}}, '"effect" must be one of'),
        ({"mcpServers": {"a": {"command": "x", "effect": {"t": None}}}}, '"effect" must be one of'),
        ({"mcpServers": {"a": {"url": "ftp://x"}}}, '"url" must be'),
        ({"mcpServers": {"a": {"url": "http://x", "type": "sse"}}}, "SSE"),
        ({"mcpServers": {"a": {"url": "http://x", "headers": {"A": "b\r\nC: d"}}}}, "cannot be sent"),
        ({"mcpServers": {"a": {"url": "http://x", "headers": {"A B": "c"}}}}, "cannot be sent"),
    ],
    ids=range(28),
)
def test_an_unusable_file_is_explained(tmp_path, content, complaint):
    with pytest.raises(ValueError) as error:
        load(tmp_path, content)
    assert complaint in str(error.value)
    assert "mcp.json" in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="none\\.json cannot be read"):
        load_servers(tmp_path / "none.json", {})


def test_an_unusable_file_stops_the_start(tmp_path):
    path = tmp_path / "mcp.json"
    path.write_text('{"mcpServers": {"a": {}}}')
    result = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**os.environ, "PENGUIN_MCP_CONFIG": str(path), "PENGUIN_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert f"PENGUIN_MCP_CONFIG: {path}: server 'a'" in result.stderr


@pytest.mark.parametrize(
    "server, tool, name",
    [
        ("notes", "search", "mcp__notes__search"),
        ("my-notes", "a__b", "mcp__my-notes__a__b"),
        ("notes", "_x", "mcp__notes___x"),
    ],
)
def test_names(server, tool, name):
    assert tool_name(server, tool) == name


def test_names_are_usable_and_different_for_different_tools():
    pairs = [
        *[("a__b", "c"), ("a", "b__c"), ("a_", "b"), ("a", "_b"), ("a", "b c"), ("a", "b_c"), ("a", "b.c")],
        *[
            ("ä", "x"),
            ("ö", "x"),
            ("a", "x" * 100),
            ("a", "x" * 101),
            ("s" * 64, "t"),
            ("s" * 64, "u"),
            ("a", "\ud800"),
        ],
    ]
    names = [tool_name(server, tool) for server, tool in pairs]
    assert len(set(names)) == len(pairs)
    for name in names:
        assert len(name) <= 64
        assert name.startswith("mcp__")
        assert all(character.isascii() and (character.isalnum() or character in "_-") for character in name)


@pytest.mark.parametrize(
    "schema, usable",
    [
        ({}, {"type": "object", "properties": {}}),
        (
            {
                "$schema": "x",
                "title": "T",
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "required": ["a"],
            },
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        ),
        ({"type": "object", "anyOf": [{}]}, {"type": "object", "properties": {}}),
        ({"type": "string"}, None),
        ({"type": "nonsense"}, None),
        ({"type": "object", "properties": []}, None),
        ({"type": "object", "properties": {"a b": {}}}, None),
        ({"type": "object", "description": "x" * 40_000}, None),
    ],
    ids=range(8),
)
def test_schemas_become_what_providers_take(schema, usable):
    assert usable_parameters(schema) == usable
