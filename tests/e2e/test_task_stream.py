"""The socket of tasks on real processes: frames and their order, coming back, people in between, and a lost worker."""

import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.e2e.live_client import live_client
from tests.e2e.task_client import ENDS, Story, task_socket
from tests.e2e.task_runs import execute, execution, finish, get, new_task, post, until, until_end
from tests.e2e.tool_runs import call
from tests.processes import eventually
from tests.stack import Stack


def wish(script: str, **fields: Any) -> dict[str, Any]:
    return {"name": f"Task {uuid4().hex[:8]}", "description": script, **fields}


def slow(marker: str, tokens: int = 40, delay: int = 20) -> str:
    """So many words one after another, and after them the end of the task."""
    return f"{marker} [[tokens={tokens} delay={delay}]] {finish(0)}"


def test_a_task_is_given_and_watched_to_its_end(stack: Stack) -> None:
    with task_socket(stack.webs[0]) as socket:
        socket.send(wish(f"Say it [[tokens=40 delay=50]] {finish(0, 'Said.')}", name="Speak"))
        _, code = socket.until_closed()
    story = socket.story
    assert code == 1000
    assert story.names[0] == "task_started"
    assert story.names[-1] == "task_completed"
    started, ended = story.frames[0][1], story.frames[-1][1]
    assert (started["name"], started["run_id"]) == ("Speak", None)
    assert (ended["status"], ended["stop_reason"], ended["result"]["summary"]) == (
        "completed",
        "finished",
        "Said.",
    )
    assert ended["task_id"] == started["task_id"]
    assert story.messages == [story.text]
    assert [data["phase"] for data in story.of("tool", action="finish_task")] == ["start", "end"]
    found = execution(stack, story.execution_id)
    assert (found["task_id"], found["session_id"]) == (started["task_id"], started["session_id"])
    statuses = [data["status"] for data in story.of("task_progress", kind="execution")]
    assert statuses[0] == "queued"
    assert statuses[-1] == "running"


def test_a_client_that_drops_loses_nothing(stack: Stack) -> None:
    """It comes back after some frames, again and again, at one web and the other."""
    story = Story()
    with task_socket(stack.webs[0], story) as socket:
        socket.send(wish(slow("Drop", 60, 20)))
        socket.until("token")
    for turn in range(1, 30):
        with task_socket(stack.webs[turn % 2], story) as socket:
            socket.send(story.attach())
            synced = socket.until("synced")
            assert synced["execution_id"] == story.execution_id
            if set(story.names) & set(ENDS):
                break
            for _ in range(4 + turn):
                if socket.receive()[0] in ENDS:
                    break
    assert story.names[-1] == "task_completed"
    whole = Story()
    with task_socket(stack.webs[1], whole) as socket:
        socket.send({"type": "attach", "execution_id": story.execution_id})
        _, code = socket.until_closed()
    assert code == 1000
    assert whole.texts == story.texts
    assert len(story.text.split()) == 60
    assert story.messages == [story.text]
    assert [data["cursor"] for _, data in whole.frames if "cursor" in data] == [
        data["cursor"] for _, data in story.frames if "cursor" in data
    ]


def test_who_knows_the_end_is_told_it_again_and_let_go(stack: Stack) -> None:
    execution_id = execute(stack, finish(0))
    until_end(stack, execution_id)
    story = Story(execution_id)
    with task_socket(stack.webs[0], story) as socket:
        socket.send(story.attach())
        socket.until_closed()
    with task_socket(stack.webs[1]) as socket:
        socket.send(story.attach())
        names = [socket.connection.recv(timeout=40), socket.connection.recv(timeout=15)]
        assert '"event":"synced"' in names[0]
        assert '"event":"task_completed"' in names[1]
        assert '"cursor"' not in names[1].split('"execution"')[0]


def test_a_cursor_of_another_log_starts_anew(stack: Stack) -> None:
    execution_id = execute(stack, finish(0))
    until_end(stack, execution_id)
    with task_socket(stack.webs[0]) as socket:
        socket.send({"type": "attach", "execution_id": execution_id, "after": "00000000:3"})
        name, data = socket.receive()
        assert (name, data["execution_id"]) == ("cursor_reset", execution_id)
        frames, code = socket.until_closed()
    assert (frames[0][0], frames[-1][0], code) == ("task_started", "task_completed", 1000)


def test_two_watch_one_execution_and_hear_the_same(stack: Stack) -> None:
    execution_id = execute(stack, slow("Both", 20, 10))
    stories = [Story(execution_id), Story(execution_id)]
    with task_socket(stack.webs[0], stories[0]) as one, task_socket(stack.webs[1], stories[1]) as other:
        for socket in (one, other):
            socket.send(socket.story.attach())
        codes = [socket.until_closed()[1] for socket in (one, other)]
    assert codes == [1000, 1000]
    assert stories[0].texts == stories[1].texts
    assert stories[0].cursor == stories[1].cursor


def test_an_approval_and_a_question_are_answered_where_they_are_heard(stack: Stack) -> None:
    script = call("execute_command", 0, command="echo hello") + call("ask_user", 1, question="Which colour?")
    with task_socket(stack.webs[0]) as socket:
        socket.send(wish(script + finish(2)))
        asked = socket.until("approval", phase="asked")["approval"]
        # The execution follows its run: decided sooner, it would have nothing to wait for.
        socket.until("task_progress", kind="execution", status="waiting", wait_reason="approval")
        socket.send({"type": "approve", "approval_id": asked["id"]})
        socket.until("approval", phase="decided")
        question = socket.until("clarification_needed")["question"]
        assert question["text"] == "Which colour?"
        socket.until("task_progress", kind="execution", status="waiting", wait_reason="clarification")
        socket.send({"type": "answer", "question_id": question["id"], "answer": "Blue"})
        socket.until("task_progress", kind="clarification", phase="answered")
        frames, code = socket.until_closed()
    assert (frames[-1][0], code) == ("task_completed", 1000)
    waited = [
        data["wait_reason"] for data in socket.story.of("task_progress", kind="execution", status="waiting")
    ]
    assert waited == ["approval", "clarification"]


@pytest.mark.parametrize(
    "script, fields, end, status",
    [
        ("[[error=400 code=bad message=No]]", {}, "task_failed", "failed"),
        ("Wait [[hang]]", {"time_limit": 0.02}, "time_limit_reached", "timed_out"),
    ],
    ids=["failed", "time limit"],
)
def test_other_ends(stack: Stack, script: str, fields: dict[str, Any], end: str, status: str) -> None:
    with task_socket(stack.webs[0]) as socket:
        socket.send(wish(script, **fields))
        frames, code = socket.until_closed()
    name, data = frames[-1]
    assert (name, data["status"], code) == (end, status, 1000)
    assert execution(stack, data["execution_id"])["status"] == status


def test_it_is_cancelled_where_it_is_watched_or_by_name(stack: Stack) -> None:
    with task_socket(stack.webs[0]) as socket, task_socket(stack.webs[1]) as other:
        socket.send(wish("Wait [[hang]]"))
        socket.until("task_progress", kind="execution", status="running")
        socket.send({"type": "cancel"})
        assert socket.until_closed()[0][-1][0] == "task_cancelled"
        second = execute(stack, "Wait [[hang]]")
        other.send({"type": "cancel", "execution_id": second})
        assert until_end(stack, second)["status"] == "cancelled"
        other.send({"type": "cancel"})
        assert other.receive()[1]["code"] == "not_found"  # it watches none


def test_the_end_of_a_conversation_is_the_end_of_its_execution(stack: Stack) -> None:
    with task_socket(stack.webs[0]) as socket:
        socket.send(wish("Wait [[hang]]"))
        session_id = socket.until("task_progress", kind="execution", status="running")["session_id"]
        assert stack.request("DELETE", f"/api/v1/conversations/{session_id}")[0] == 200
        frames, code = socket.until_closed()
    name, data = frames[-1]
    assert (name, code) == ("task_cancelled", 1000)
    found = until_end(stack, data["execution_id"])
    assert found["status"] == "cancelled"
    with task_socket(stack.webs[1]) as socket:
        socket.send({"type": "attach", "execution_id": data["execution_id"]})
        assert '"event":"task_cancelled"' in socket.connection.recv(timeout=40)


@pytest.mark.parametrize(
    "frame, code",
    [
        ("no json", "invalid_frame"),
        ("[1]", "invalid_frame"),
        (b"\x00\x01", "invalid_frame"),
        ("{}", "validation_error"),
        ('{"name": " "}', "validation_error"),
        ('{"name": 5}', "validation_error"),
        ('{"name": "a\\u0000b"}', "invalid_frame"),
        ('{"name": "a", "time_limit": -1}', "validation_error"),
        ('{"name": "a", "directory": "relative"}', "invalid_directory"),
        ('{"name": "a", "project_id": "01a20000-0000-7000-8000-000000000001"}', "not_found"),
        ('{"type": "dance"}', "unknown_type"),
        ('{"type": ["attach"]}', "unknown_type"),
        ('{"type": "attach"}', "invalid_frame"),
        ('{"type": "attach", "execution_id": 5}', "validation_error"),
        ('{"type": "attach", "execution_id": "01a20000-0000-7000-8000-000000000001"}', "not_found"),
        (
            '{"type": "attach", "execution_id": "01a20000-0000-7000-8000-000000000001", "after": "x"}',
            "validation_error",
        ),
        ('{"type": "cancel"}', "not_found"),
        ('{"type": "approve", "approval_id": "x"}', "validation_error"),
    ],
    ids=range(18),
)
def test_bad_frames_are_answered_and_the_socket_stays(stack: Stack, frame: str | bytes, code: str) -> None:
    with task_socket(stack.webs[0]) as socket:
        socket.send(frame)
        name, data = socket.receive()
        assert (name, data["code"]) == ("error", code), data
        socket.send({"type": "ping"})
        assert socket.receive()[0] == "pong"


def test_a_socket_watches_one_execution(stack: Stack) -> None:
    with task_socket(stack.webs[0]) as socket:
        socket.send(wish("Wait [[hang]]"))
        execution_id = socket.until("task_started")["execution_id"]
        for frame in (wish("another"), {"type": "attach", "execution_id": execution_id}):
            socket.send(frame)
            error = socket.until("error")
            assert (error["code"], error["status"], error["execution_id"]) == (
                "already_watching",
                409,
                execution_id,
            )
        socket.send({"type": "cancel"})
        assert socket.until_closed()[1] == 1000


def test_a_worker_lost_in_the_middle(stack: Stack) -> None:
    """What it was saying is dropped and said again; the watcher hears of all of it, and of the end once."""
    with task_socket(stack.webs[0]) as socket:
        socket.send(wish(slow("Lost", 40, 30)))
        for _ in range(5):
            run_id = socket.until("token")["run_id"]
        stack.kill(stack.worker_of(run_id))
        frames, code = socket.until_closed()
    story = socket.story
    assert (frames[-1][0], code) == ("task_completed", 1000)
    assert len(story.dropped) == 1
    assert len(story.text.split()) == 40
    assert story.messages == [story.text]
    assert len(story.of("task_started")) == 1


def test_executions_are_seen_in_the_live_events_of_their_owner(stack: Stack) -> None:
    with live_client(stack.webs[1]) as live:
        while (event := live.receive()) and event["type"] != "server.synced":
            pass
        execution_id = execute(stack, finish(0, "Seen."))
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != "execution.ended":
            event = live.receive()
            assert event
            if event["properties"].get("execution", {}).get("id") == execution_id:
                seen.append(event)
    kinds = [event["type"] for event in seen]
    assert kinds[0] == "execution.started"
    assert set(kinds[1:-1]) == {"execution.updated"}
    ended = seen[-1]["properties"]
    assert ended["sessionID"] == execution(stack, execution_id)["session_id"]
    assert (ended["execution"]["status"], ended["execution"]["result"]["summary"]) == ("completed", "Seen.")
    assert ended["execution"]["task"]["status"] == "pending_review"


def test_a_review_is_told_where_the_work_was_done(stack: Stack) -> None:
    execution_id = execute(stack, finish(0))
    found = until(stack, execution_id, "completed")
    assert stack.request("POST", f"/api/v1/tasks/{found['task_id']}/complete", {})[0] == 200

    def told() -> list[str]:
        events = get(stack, f"conversations/{found['session_id']}/events?limit=200")["events"]
        return [event["payload"]["task"]["status"] for event in events if event["type"] == "task.updated"]

    assert eventually(told) == ["completed"]


def test_what_an_execution_changed_in_a_repository(stack: Stack, tmp_path: Path) -> None:
    """The worker takes the tree before the first run and keeps the diff at the end; the repository is as it was."""
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "mine").write_text("before\n")
    write = call("write_file", 0, path="made.txt", content="by the agent\n")
    execution_id = execute(stack, write + finish(1), directory=str(tmp_path))
    until_end(stack, execution_id)
    diff = eventually(lambda: _kept(stack, execution_id))
    assert [(file["path"], file["status"]) for file in diff["files"]] == [("made.txt", "added")]
    assert diff["text"].endswith("+by the agent\n")
    assert not (tmp_path / ".git" / "index").exists()
    assert not any((tmp_path / ".git" / "objects").rglob("??/*"))


def _kept(stack: Stack, execution_id: str) -> dict[str, Any] | None:
    diff = get(stack, f"executions/{execution_id}/diff")
    return diff if diff["final"] else None


def test_a_schedule_is_fired_by_a_worker(stack: Stack) -> None:
    """Of any minute; a worker that starts looks for what it missed, so nobody has to wait for the next one."""
    task_id = new_task(stack, "Again and again", finish(0))
    schedule = post(stack, "schedules", task_id=task_id, cron="0 0 1 1 *", timezone="Europe/Berlin")
    stack.sql("UPDATE schedule SET next_at = now() - interval '1 day' WHERE id = %s", schedule["id"])
    stack.sql("DELETE FROM procrastinate_periodic_defers WHERE task_name = 'tasks.chores.fire_schedules'")
    stack.kill(stack.workers[0])
    stack.start_worker()
    fired = eventually(lambda: _fired(stack, schedule["id"]), seconds=90)
    assert (fired["last_outcome"], fired["last_missed"]) == ("started", 0)
    assert fired["next_at"] == schedule["next_at"]
    assert until_end(stack, fired["last_execution_id"])["status"] == "completed"


def _fired(stack: Stack, schedule_id: str) -> dict[str, Any] | None:
    schedule = get(stack, f"schedules/{schedule_id}")
    return schedule if schedule["last_at"] else None
