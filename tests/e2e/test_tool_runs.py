"""An agent works in a repository: it reads, edits, runs commands a person allows, and says what it did."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.answers import chat_clients
from tests.e2e.tool_runs import (
    assert_every_call_has_one_outcome,
    await_end,
    call,
    new_session,
    pending,
    repository,
    run_status,
    say,
    transcript,
)
from tests.processes import eventually
from tests.stack import Stack

MEND = (
    "Mend the bug "
    + call("read_file", 0, path="sums.py")
    + call("edit_file", 1, path="sums.py", old_string="a - b", new_string="a + b")
    + call("execute_command", 2, command="sh check.sh && echo all is well")
    + "[[tokens=5 delay=5 step=3]]"
)


def approve(stack: Stack, approval: dict[str, Any], **body: Any) -> tuple[int, Any]:
    # Through the other web: any of them decides.
    return stack.request("POST", f"/api/v1/approvals/{approval['id']}/approve", body, web=stack.webs[-1])


def test_a_run_with_tools_over_rest(stack: Stack, tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    session = new_session()
    accepted = say(stack, MEND, wait=False, session_id=session, directory=str(root))
    (approval,) = pending(stack, accepted["run_id"])
    assert approval["tool_name"] == "execute_command"
    assert approval["resource"].startswith("sh check.sh")
    assert (
        root / "sums.py"
    ).read_text() == "def add(a, b):\n    return a + b\n"  # files it may write by itself
    assert run_status(stack, accepted["run_id"]) == "waiting_approval"
    assert stack.sql("SELECT lease_owner FROM run WHERE id = %s", accepted["run_id"]) == [(None,)]
    assert approve(stack, approval)[0] == 200
    assert await_end(stack, accepted["run_id"])["status"] == "completed"
    # The same message again gets the same answer, as the waiting client had got it.
    _, events = stack.request("GET", f"/api/v1/conversations/{session}/events")
    ended = next(event for event in events["events"] if event["type"] == "run.ended")["payload"]
    assert [(r["action"], r["status"]) for r in ended["action_results"]] == [
        ("read_file", "completed"),
        ("edit_file", "completed"),
        ("execute_command", "completed"),
    ]
    assert "all is well" in ended["action_results"][2]["result"]
    assert [role for role, _ in transcript(stack, session)] == ["user", "tool", "tool", "tool", "assistant"]
    assert_every_call_has_one_outcome(stack, accepted["run_id"])


def test_the_waiting_client_gets_the_results(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("first\nsecond\n")
    body = say(stack, call("read_file", 0, path="a.txt"), session_id=new_session(), directory=str(tmp_path))
    (result,) = body["action_results"]
    assert (result["action"], result["status"], result["arguments"]) == (
        "read_file",
        "completed",
        {"path": "a.txt"},
    )
    assert "first" in result["result"] and body["response"].startswith("Tools said:")
    assert set(result) == {
        "action",
        "result",
        "status",
        "tool_call_id",
        "arguments",
        "started_at",
        "finished_at",
        "truncated",
    }


async def test_the_socket_shows_tools_as_they_work(stack: Stack, tmp_path: Path) -> None:
    root = repository(tmp_path / "repo")
    async with chat_clients(stack.webs, 1) as (client,):
        answer = await client.say(MEND, directory=str(root))
        await client.until_true(lambda: answer.asked)
        (asked,) = answer.asked
        assert asked[1]["phase"] == "asked"
        await client.send({"type": "approve", "approval_id": asked[1]["approval"]["id"]})
        await client.wait(answer)
    assert answer.phases() == [
        ("read_file", "start"),
        ("read_file", "end"),
        ("edit_file", "start"),
        ("edit_file", "end"),
        ("execute_command", "start"),
        ("execute_command", "end"),
    ]
    assert "all is well" in "".join(answer.outputs.values())
    assert [data["phase"] for _, data in answer.asked] == ["asked", "decided"]
    assert answer.complete and [r["action"] for r in answer.complete["action_results"]] == [
        "read_file",
        "edit_file",
        "execute_command",
    ]


def test_a_denial_reaches_the_model_with_its_reason(stack: Stack, tmp_path: Path) -> None:
    text = call("execute_command", 0, command="rm -rf build") + "[[tokens=3 step=1]]"
    accepted = say(stack, text, wait=False, session_id=new_session(), directory=str(tmp_path))
    (approval,) = pending(stack, accepted["run_id"])
    status, _ = stack.request(
        "POST", f"/api/v1/approvals/{approval['id']}/deny", {"feedback": "not that folder"}
    )
    assert status == 200
    await_end(stack, accepted["run_id"])
    last = stack.model_requests("rm -rf build")[-1]["body"]["messages"]
    assert "not that folder" in next(message for message in last if message["role"] == "tool")["content"]
    assert stack.sql("SELECT status FROM tool_call WHERE run_id = %s", accepted["run_id"]) == [("denied",)]
    assert_every_call_has_one_outcome(stack, accepted["run_id"])


def test_a_person_may_change_the_arguments_and_the_model_is_told(stack: Stack, tmp_path: Path) -> None:
    text = call("execute_command", 0, command="echo theirs > a.txt")
    accepted = say(stack, text, wait=False, session_id=new_session(), directory=str(tmp_path))
    (approval,) = pending(stack, accepted["run_id"])
    assert approve(stack, approval, arguments={"command": "echo mine > a.txt"})[0] == 200
    await_end(stack, accepted["run_id"])
    assert (tmp_path / "a.txt").read_text() == "mine\n"
    last = stack.model_requests("echo theirs")[-1]["body"]["messages"]
    result = next(message for message in last if message["role"] == "tool")["content"]
    assert result.startswith("A person changed the arguments") and "echo mine" in result


async def test_a_refused_decision_names_what_it_was_about(stack: Stack, tmp_path: Path) -> None:
    text = call("execute_command", 0, command="true")
    async with chat_clients(stack.webs, 1) as (client,):
        answer = await client.say(text, directory=str(tmp_path))
        await client.until_true(lambda: answer.asked)
        approval_id = answer.asked[0][1]["approval"]["id"]
        await client.send({"type": "deny", "approval_id": approval_id})
        await client.wait(answer)
        await client.send({"type": "approve", "approval_id": approval_id})
        await client.until_true(lambda: client.errors)
        refused = client.errors.pop()
    assert (refused["status"], refused["approval_id"]) == (409, approval_id)


@pytest.mark.parametrize(
    "directive, said",
    [
        (call("no_such_tool", 0), "There is no tool"),
        ('[[tool name=read_file step=0 arguments={"path": 5}]]', "path"),
        ("[[tool name=read_file step=0 arguments={path}]]", "not a JSON object"),
    ],
    ids=["unknown tool", "wrong type", "not JSON"],
)
def test_a_call_that_cannot_be_is_an_error_result(
    stack: Stack, tmp_path: Path, directive: str, said: str
) -> None:
    body = say(stack, directive, session_id=new_session(), directory=str(tmp_path))
    (result,) = body["action_results"]
    assert result["status"] == "error"
    assert said in result["result"]
    assert body["status"] == "completed"


def test_several_calls_of_one_turn(stack: Stack, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).write_text(f"this is {name}")
    text = "".join(call("read_file", 0, path=name) for name in ("a", "b", "c"))
    body = say(stack, text, session_id=new_session(), directory=str(tmp_path))
    assert [result["result"].count("this is") for result in body["action_results"]] == [1, 1, 1]
    assert_every_call_has_one_outcome(stack, body["run_id"])


def test_long_output_is_cut_and_kept_whole_as_an_artifact(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text("".join(f"line {n}\n" for n in range(20_000)))
    body = say(
        stack,
        call("read_file", 0, path="long.txt", limit=20_000),
        session_id=new_session(),
        directory=str(tmp_path),
    )
    (result,) = body["action_results"]
    assert result["truncated"] and len(result["result"]) < 25_000
    artifact = stack.sql(
        "SELECT convert_from(content, 'UTF8') FROM artifact WHERE id = %s", result["artifact_id"]
    )
    assert "line 10000" in artifact[0][0]


def test_a_question_is_answered_through_another_web(stack: Stack) -> None:
    text = call("ask_user", 0, question="Red or blue?", options=["red", "blue"])
    accepted = say(stack, text, wait=False, session_id=(session := new_session()))

    def asked() -> Any:
        _, body = stack.request("GET", f"/api/v1/questions?session_id={session}")
        return [question for question in body["questions"] if question["status"] == "open"]

    (question,) = eventually(asked)
    assert (question["text"], question["choices"]) == ("Red or blue?", ["red", "blue"])
    path = f"/api/v1/questions/{question['id']}/answer"
    assert run_status(stack, accepted["run_id"]) == "waiting_input"
    assert stack.request("POST", path, {"answer": "blue"}, web=stack.webs[1])[0] == 200
    assert stack.request("POST", path, {"answer": "red"})[0] == 409
    await_end(stack, accepted["run_id"])
    assert transcript(stack, session)[-1][1] == "Tools said: blue"


def test_finishing_ends_the_run(stack: Stack) -> None:
    body = say(stack, call("finish_task", 0, summary="All mended.", status="done"), session_id=new_session())
    assert (body["status"], body["response"]) == ("completed", "All mended.")
    assert len(stack.model_requests("All mended.")) == 1


def test_the_todo_list_is_kept(stack: Stack) -> None:
    todos = [{"content": "look", "status": "completed"}, {"content": "mend", "status": "in_progress"}]
    say(stack, call("todo_write", 0, todos=todos), session_id=(session := new_session()))
    _, snapshot = stack.request("GET", f"/api/v1/conversations/{session}/snapshot")
    assert snapshot["todos"] == todos


def test_going_in_circles_asks_a_person(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("again")
    text = "".join(call("read_file", step, path="a") for step in range(4))
    accepted = say(stack, text, wait=False, session_id=(session := new_session()), directory=str(tmp_path))
    eventually(lambda: run_status(stack, accepted["run_id"]) == "waiting_input")
    _, body = stack.request("GET", f"/api/v1/questions?session_id={session}")
    assert body["questions"][0]["choices"] == ["continue", "stop"]
    path = f"/api/v1/questions/{body['questions'][0]['id']}/answer"
    assert stack.request("POST", path, {"answer": "continue"})[0] == 200
    assert await_end(stack, accepted["run_id"])["status"] == "completed"
    assert_every_call_has_one_outcome(stack, accepted["run_id"])


def test_the_limit_of_model_calls_holds(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("again")
    text = "".join(call("read_file", step, path="a", offset=step + 1) for step in range(4))
    body = {"text": text, "max_iterations": 2, "directory": str(tmp_path), "session_id": new_session()}
    status, answer = stack.request("POST", "/api/v1/chat/message", body)
    assert (status, answer["code"]) == (500, "max_iterations")
    assert_every_call_has_one_outcome(stack, answer["run_id"])


def test_plan_mode_changes_nothing(stack: Stack, tmp_path: Path) -> None:
    text = call("write_file", 0, path="new.txt", content="x")
    body = say(stack, text, session_id=new_session(), directory=str(tmp_path), agent_mode="plan")
    assert body["action_results"][0]["status"] in ("error", "denied")
    assert list(tmp_path.iterdir()) == []
    offered = {tool["function"]["name"] for tool in stack.model_requests("new.txt")[0]["body"]["tools"]}
    assert "read_file" in offered and "write_file" not in offered and "execute_command" not in offered


def test_a_steering_message_goes_in_before_the_next_model_call(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("here")
    first = call("execute_command", 0, command="echo waiting")
    accepted = say(stack, first, wait=False, session_id=(session := new_session()), directory=str(tmp_path))
    (approval,) = pending(stack, accepted["run_id"])
    steered = say(stack, "and hurry", wait=False, session_id=session, on_busy="steer")
    assert steered["run_id"] == accepted["run_id"]
    approve(stack, approval)
    await_end(stack, accepted["run_id"])
    last = stack.model_requests("and hurry")[-1]["body"]["messages"]
    assert [message["role"] for message in last][-3:] == ["assistant", "tool", "user"]


async def test_cancel_while_a_command_runs_leaves_no_process(stack: Stack, tmp_path: Path) -> None:
    mark = f"sleep 9{time.monotonic_ns() % 10_000_000}"
    text = call("execute_command", 0, command=f"trap '' TERM; {mark} & echo begun; {mark}")
    async with chat_clients(stack.webs, 1) as (client,):
        answer = await client.say(text, directory=str(tmp_path))
        await client.until(answer.started)
        (approval,) = await asyncio.to_thread(pending, stack, answer.run_id)
        await asyncio.to_thread(approve, stack, approval)
        await client.until_true(lambda: "begun" in str(answer.outputs))
        assert processes_with(mark)
        await client.send({"type": "cancel", "run_id": answer.run_id})
        await client.wait(answer)
    assert answer.complete and answer.complete["status"] == "cancelled"
    assert answer.complete["action_results"][0]["status"] == "cancelled"
    assert "begun" in answer.complete["action_results"][0]["result"]
    assert not processes_with(mark)
    assert_every_call_has_one_outcome(stack, answer.run_id)


def processes_with(words: str) -> list[int]:
    """Processes whose command line holds these words, on all of this machine."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\x00", b" ").decode(errors="replace")
            except OSError:
                continue
            if words in line:
                found.append(int(entry.name))
    return found


def test_the_servers_keys_are_not_visible_to_a_command(stack: Stack, tmp_path: Path) -> None:
    command = "env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; echo done"
    accepted = say(
        stack,
        call("execute_command", 0, command=command),
        wait=False,
        session_id=new_session(),
        directory=str(tmp_path),
    )
    (approval,) = pending(stack, accepted["run_id"])
    approve(stack, approval)
    await_end(stack, accepted["run_id"])
    ((result,),) = stack.sql("SELECT summary FROM tool_call WHERE run_id = %s", accepted["run_id"])
    assert "done" in result
    for secret in ("key-of-the-local-owner", "OPENAI", "DATABASE_URL", "PENGUIN", "scripted"):
        assert secret not in result


async def wait_for_approvals(stack: Stack, directory: Path, *, count: int) -> list[str]:
    """So many runs, each waiting for an approval of its own."""
    text = call("execute_command", 0, command="true")
    accepted = await asyncio.gather(
        *(
            asyncio.to_thread(
                say, stack, text, wait=False, session_id=new_session(), directory=str(directory)
            )
            for _ in range(count)
        )
    )
    ids = [one["run_id"] for one in accepted]
    waiting = "SELECT count(*) FROM run WHERE id = ANY(%s::uuid[]) AND status = 'waiting_approval'"
    eventually(lambda: stack.sql(waiting, ids) == [(count,)], seconds=30)
    return ids


async def cancel_all(stack: Stack, ids: list[str]) -> None:
    await asyncio.gather(
        *(asyncio.to_thread(stack.request, "POST", f"/api/v1/runs/{run_id}/cancel", {}) for run_id in ids)
    )
    assert stack.sql("SELECT DISTINCT status FROM approval WHERE run_id = ANY(%s::uuid[])", ids) == [
        ("cancelled",)
    ]


async def test_many_approvals_hold_no_worker_and_no_connection(stack: Stack, tmp_path: Path) -> None:
    connections = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    # Pools of connections grow with their first load, whatever it is: the same load once before.
    await cancel_all(stack, await wait_for_approvals(stack, tmp_path, count=100))
    before = stack.sql(connections)[0][0]
    ids = await wait_for_approvals(stack, tmp_path, count=100)
    leases = "SELECT count(*) FROM run WHERE id = ANY(%s::uuid[]) AND lease_owner IS NOT NULL"
    assert stack.sql(leases, ids) == [(0,)]
    eventually(lambda: stack.sql(connections)[0][0] <= before + 8)
    answered = say(stack, "still there?", session_id=new_session())
    assert answered["status"] == "completed"
    ((seconds,),) = stack.sql(
        "SELECT extract(epoch FROM finished_at - created_at) FROM run WHERE id = %s", answered["run_id"]
    )
    assert seconds < 30
    await cancel_all(stack, ids)
