"""A tool of an MCP server in a real run: a person approves it first, and its definition is remembered."""

import json
import os
import sys
from pathlib import Path

from tests.e2e.tool_runs import assert_every_call_has_one_outcome, await_end, call, new_session, pending, say
from tests.processes import ROOT
from tests.stack import Stack


def test_a_tool_of_an_mcp_server(tmp_path: Path) -> None:
    config = tmp_path / "mcp.json"
    server = {"command": sys.executable, "args": [str(ROOT / "tests" / "mcp_server.py"), "stdio"]}
    config.write_text(json.dumps({"mcpServers": {"notes": server}}))
    data = tmp_path / "stack"
    data.mkdir()
    with Stack(os.environ["DATABASE_URL"], data, PENGUIN_MCP_CONFIG=config) as stack:
        stack.start(webs=1, workers=1)
        text = call("mcp__notes__add", 0, a=20, b=22)
        accepted = say(stack, text, wait=False, session_id=new_session())
        (approval,) = pending(stack, accepted["run_id"])
        assert approval["tool_name"] == "mcp__notes__add"
        approve = f"/api/v1/approvals/{approval['id']}/approve"
        status, body = stack.request("POST", approve, {"arguments": {"a": 1}})
        assert (status, body["errors"]) == (400, [{"loc": ["body", "arguments"], "msg": "missing: b."}])
        assert stack.request("POST", approve, {"arguments": {"a": 40, "b": 2}})[0] == 200
        assert await_end(stack, accepted["run_id"])["status"] == "completed"
        ((result,),) = stack.sql("SELECT summary FROM tool_call WHERE run_id = %s", accepted["run_id"])
        assert "42" in result
        assert stack.sql("SELECT tool_name FROM tool_pin") == [("mcp__notes__add",)]
        assert_every_call_has_one_outcome(stack, accepted["run_id"])
