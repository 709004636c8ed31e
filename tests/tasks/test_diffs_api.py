"""`GET /executions/{id}/diff`: while an execution lives, at its end, and afterwards."""

import asyncio
import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conversations.directories import signed
from tasks import diffs
from tasks.models import Execution, ExecutionDiff
from tests.factories import ConversationFactory
from tests.tasks.factories import ExecutionFactory, TaskFactory

# Threads of the test's own event loops use the database's connection of the test.
pytestmark = pytest.mark.django_db


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def repository(root: Path) -> Path:
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    (root / "file").write_text("one\n")
    return root


@pytest.fixture
def execution(person, repository: Path) -> Execution:
    """One at work in the repository, which it has changed."""
    found = repository.stat()
    conversation = ConversationFactory(
        owner=person,
        directory=str(repository),
        directory_device=signed(found.st_dev),
        directory_inode=signed(found.st_ino),
    )
    task = TaskFactory(owner=person, status="running")
    execution = ExecutionFactory(task=task, conversation=conversation)
    execution.base_tree = asyncio.run(diffs.tree_at_start(execution.id, repository))
    execution.save()
    (repository / "file").write_text("one\ntwo\n")
    return execution


def address(execution: Execution) -> str:
    return f"/api/v1/executions/{execution.id}/diff"


def end(execution: Execution) -> None:
    Execution.objects.filter(id=execution.id).update(status="completed", ended_at=now())


def store_of(execution: Execution, settings) -> Path:
    return settings.PENGUIN_DATA_DIR / "executions" / str(execution.id)


def test_while_it_lives_it_is_that_of_now(api, execution, repository):
    first = api.get(address(execution)).json()
    assert (first["final"], first["created_at"], first["additions"]) == (False, None, 1)
    assert first["files"] == [
        {"path": "file", "old_path": None, "status": "modified", "additions": 1, "deletions": 0}
    ]
    assert first["text"].startswith("diff --git a/file b/file\n")
    assert first["text"].endswith("@@ -1 +1,2 @@\n one\n+two\n")
    (repository / "file").write_text("one\ntwo\nthree\n")
    assert api.get(address(execution)).json()["additions"] == 2


def test_at_its_end_it_stays_what_it_was(api, execution, repository, settings):
    diff = asyncio.run(diffs.diff_since(execution.id, repository, execution.base_tree))
    end(execution)
    diffs.store_diff(execution.id, diff, now=now())
    assert not store_of(execution, settings).exists()
    (repository / "file").write_text("later\n")
    stored = api.get(address(execution)).json()
    assert (stored["final"], stored["additions"], stored["deletions"]) == (True, 1, 0)
    assert stored["created_at"]
    diffs.store_diff(execution.id, None, now=now())
    assert api.get(address(execution)).json() == stored


def test_an_end_while_somebody_asks(api, execution, repository, monkeypatch):
    """The state of the start is gone when it is looked for; then the diff of the end is there."""
    diff = asyncio.run(diffs.diff_since(execution.id, repository, execution.base_tree))
    directory = diffs._directory

    def end_meanwhile(conversation):
        end(execution)
        diffs.store_diff(execution.id, diff, now=now())
        return directory(conversation)

    monkeypatch.setattr(diffs, "_directory", end_meanwhile)
    found = api.get(address(execution)).json()
    assert (found["final"], found["additions"]) == (True, 1)


def test_one_that_ended_with_its_worker_is_finished_by_the_chore(api, execution, settings):
    assert diffs.finish_diffs(now=now()) == 0  # it is at work
    end(execution)
    assert api.get(address(execution)).json()["final"] is False
    assert diffs.finish_diffs(now=now()) == 1
    assert diffs.finish_diffs(now=now()) == 0
    assert api.get(address(execution)).json()["final"] is True
    assert not store_of(execution, settings).exists()


def test_old_states_that_nobody_needs_are_removed(execution, settings):
    store = store_of(execution, settings)
    draft = store.with_name(f"{store.name}.draft")
    gone = store.with_name("01a20000-0000-7000-8000-000000000001")
    for folder in (draft, gone):
        folder.mkdir()
    assert diffs.forget_abandoned() == 0  # they are new
    long_ago = time.time() - 2 * diffs.ABANDONED_SECONDS
    for folder in (store, draft, gone):
        os.utime(folder, (long_ago, long_ago))
    assert diffs.forget_abandoned() == 1
    assert not gone.exists()
    assert store.exists()
    end(execution)
    assert diffs.forget_abandoned() == 2
    assert list(store.parent.iterdir()) == []


@pytest.mark.parametrize(
    "spoil, code",
    [
        ("no_tree", "no_diff"),
        ("no_store", "no_diff"),
        ("no_directory", "diff_unavailable"),
        ("another_directory", "diff_unavailable"),
        ("no_conversation", "diff_unavailable"),
        ("no_sandbox", "diff_unavailable"),
    ],
)
def test_where_there_is_none_it_is_said_why(api, execution, repository, settings, spoil, code):
    match spoil:
        case "no_tree":
            Execution.objects.update(base_tree="")
        case "no_store":
            store_of(execution, settings).rename(settings.PENGUIN_DATA_DIR / "away")
        case "no_directory":
            repository.rename(repository.with_name("away"))
        case "another_directory":
            repository.rename(repository.with_name("away"))
            repository.mkdir()
        case "no_conversation":
            Execution.objects.update(conversation=None)
        case "no_sandbox":
            settings.PENGUIN_SANDBOX = "off"
    response = api.get(address(execution))
    assert (response.status_code, response.json()["code"]) == (409, code), response.content
    assert not ExecutionDiff.objects.exists()


def test_only_some_are_made_at_once(api, execution, monkeypatch):
    monkeypatch.setattr(diffs, "_at_once", diffs.threading.BoundedSemaphore(1))
    with diffs._at_once:
        response = api.get(address(execution))
    assert response.status_code == 429
    assert response.headers["Retry-After"]
    assert api.get(address(execution)).status_code == 200


def test_anothers_is_not_there(client_for, execution, django_user_model):
    stranger = client_for(django_user_model.objects.create(username="stranger"))
    assert stranger.get(address(execution)).status_code == 404
