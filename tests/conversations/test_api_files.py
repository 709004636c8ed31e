"""Context files over REST, and what keeps them and bound directories where they belong."""

import os
from pathlib import Path

import pytest

from conversations import directories
from conversations.models import Conversation, ConversationEvent, Message
from tests.factories import ConversationFactory

FILES = "/api/v1/context-files"
LOAD = "/api/v1/context-files/load"


# --- context files


@pytest.fixture
def folder(settings, person) -> Path:
    """The context folder of `person`."""
    path = settings.PENGUIN_WORKSPACE / "users" / str(person.pk) / "context"
    path.mkdir(parents=True)
    return path


def test_context_files_are_listed_recursively_and_only_regular_ones(api, folder, tmp_path):
    (folder / "docs").mkdir()
    (folder / "docs" / "api_reference.md").write_text("# API")
    (folder / "b.txt").write_text("b")
    os.mkfifo(folder / "pipe")
    (folder / "link.txt").symlink_to(folder / "b.txt")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("s")
    (folder / "away").symlink_to(tmp_path / "outside")
    with open(os.fsencode(folder) + b"/\xff.txt", "w"):
        pass
    files = api.get(FILES).json()["files"]
    assert [(file["path"], file["size"]) for file in files] == [("b.txt", 1), ("docs/api_reference.md", 5)]
    assert files[0]["modified"].endswith("Z")


def test_without_a_folder_there_are_no_files(api):
    assert api.get(FILES).json() == {"files": []}


def test_the_local_owners_folder_is_the_workspaces_and_others_have_their_own(
    owner_api, api, folder, settings
):
    (settings.PENGUIN_WORKSPACE / "context").mkdir()
    (settings.PENGUIN_WORKSPACE / "context" / "owners.md").write_text("o")
    (folder / "persons.md").write_text("p")
    assert [file["path"] for file in owner_api.get(FILES).json()["files"]] == ["owners.md"]
    assert [file["path"] for file in api.get(FILES).json()["files"]] == ["persons.md"]


def test_the_listed_path_is_the_accepted_one_and_makes_a_conversation(api, person, folder):
    (folder / "docs").mkdir()
    (folder / "docs" / "api é.md").write_text("# API\n```\ncode\n```")
    path = api.get(FILES).json()["files"][0]["path"]
    body = api.post(LOAD, {"file_path": path}, "application/json").json()
    assert (body["success"], body["file_path"], body["size"]) == (True, path, 18)
    assert body["tokens"] > 0
    conversation = Conversation.objects.get(owner=person, session_id=body["session_id"])
    message = Message.objects.get(conversation=conversation)
    assert (str(message.id), message.role) == (body["message_id"], "user")
    assert "# API\n```\ncode\n```" in message.content
    assert message.content.endswith("\n````")  # a fence that the file cannot close
    assert message.metadata == {"kind": "context_file", "file_path": path, "size": 18}
    event = ConversationEvent.objects.get(conversation=conversation, type="context.loaded")
    assert event.seq == message.turn == conversation.head_seq
    assert conversation.message_count == 1


def test_a_file_is_loaded_into_a_conversation_of_ones_own(api, person, folder):
    (folder / "a.md").write_text("a")
    conversation = ConversationFactory(owner=person)
    body = api.post(
        LOAD, {"file_path": "a.md", "session_id": conversation.session_id}, "application/json"
    ).json()
    assert body["session_id"] == conversation.session_id
    shown = api.get(f"/api/v1/conversations/{conversation.session_id}").json()
    assert (shown["message_count"], len(shown["messages"])) == (1, 1)
    foreign = ConversationFactory()
    for session_id in ("unknown", foreign.session_id):
        response = api.post(LOAD, {"file_path": "a.md", "session_id": session_id}, "application/json")
        assert response.status_code == 404
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("missing.md", 404),
        ("docs/missing.md", 404),
        ("docs", 400),
        (".", 400),
        ("../outside.md", 400),
        ("docs/../../outside.md", 400),
        ("/etc/passwd", 400),
        ("/", 400),
        ("//etc/passwd", 400),
        ("link.md", 400),
        ("linked/outside.md", 400),
        ("pipe", 400),
        ("binary.bin", 415),
        ("latin1.txt", 415),
        ("large.txt", 413),
        ("a.md/x", 404),
        ("x" * 4000, 404),
        ("", 400),
        ("   ", 400),
        ("a\u0000.md", 400),
    ],
)
def test_what_cannot_be_loaded(api, folder, tmp_path, path, status):
    outside = tmp_path / "outside.md"
    outside.write_text("secret")
    (folder / "docs").mkdir()
    (folder / "a.md").write_text("a")
    (folder / "link.md").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    (folder / "binary.bin").write_bytes(b"\0\1\2")
    (folder / "latin1.txt").write_bytes(b"caf\xe9")
    (folder / "large.txt").write_bytes(b"x" * (512 * 1024 + 1))
    os.mkfifo(folder / "pipe")
    response = api.post(LOAD, {"file_path": path}, "application/json")
    assert response.status_code == status, response.content
    assert b"secret" not in response.content
    assert not Conversation.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "file_path"),
        ({"file_path": 5}, "file_path"),
        ({"file_path": None}, "file_path"),
        ({"file_path": ["a.md"]}, "file_path"),
        ({"file_path": "a.md", "session_id": 5}, "session_id"),
        ({"file_path": "a.md", "session_id": True}, "session_id"),
    ],
)
def test_a_wrong_load_is_refused(api, body, field):
    response = api.post(LOAD, body, "application/json")
    assert response.status_code == 400
    assert response.json()["errors"][0]["loc"] == ["body", field]


# --- directories


def test_another_spelling_is_the_same_directory(tmp_path, person):
    real = tmp_path / "repo"
    real.mkdir()
    (tmp_path / "alias").symlink_to(real)
    spellings = [str(real), f"{real}/", f"{tmp_path}/./repo", f"{real}/../repo", str(tmp_path / "alias")]
    bound = {
        directories.resolve_directory(path, user_id=person.pk, is_local_owner=True) for path in spellings
    }
    assert len(bound) == 1


def test_the_data_dir_is_closed_but_for_its_workspace(settings, person):
    workspace = settings.PENGUIN_WORKSPACE / "projects"
    hidden = settings.PENGUIN_DATA_DIR / "postgres"
    for path in (workspace, hidden):
        path.mkdir()
    directories.resolve_directory(str(workspace), user_id=person.pk, is_local_owner=True)
    for path in (hidden, settings.PENGUIN_DATA_DIR):
        with pytest.raises(directories.InvalidDirectory):
            directories.resolve_directory(str(path), user_id=person.pk, is_local_owner=True)


@pytest.mark.parametrize(
    "path", ["", "relative", "~/x", "/", "//", "/etc", "/etc/ssl", "/proc/self", "/sys", "/dev", "/dev/shm"]
)
def test_no_session_works_there(person, path):
    with pytest.raises(directories.InvalidDirectory):
        directories.resolve_directory(path, user_id=person.pk, is_local_owner=True)


def test_a_link_does_not_lead_into_closed_places(tmp_path, person):
    (tmp_path / "link").symlink_to("/etc")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("")
    for name in ("link", "loop", "file", "missing"):
        with pytest.raises(directories.InvalidDirectory):
            directories.resolve_directory(str(tmp_path / name), user_id=person.pk, is_local_owner=True)


def test_others_work_in_their_own_folder_unless_roots_are_shared(settings, tmp_path, person):
    def allowed(path: Path, *, is_local_owner: bool = False) -> bool:
        try:
            directories.resolve_directory(str(path), user_id=person.pk, is_local_owner=is_local_owner)
        except directories.InvalidDirectory:
            return False
        return True

    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    own = directories.own_workspace(person.pk, is_local_owner=False) / "repo"
    foreign = directories.own_workspace(person.pk + 1, is_local_owner=False) / "repo"
    for path in (shared, elsewhere, own, foreign):
        path.mkdir()
    assert [allowed(path) for path in (own, foreign, shared, settings.PENGUIN_WORKSPACE)] == [
        True,
        False,
        False,
        False,
    ]
    assert allowed(shared, is_local_owner=True)
    settings.PENGUIN_ALLOWED_ROOTS = [shared]
    assert [allowed(path) for path in (own, foreign, shared, elsewhere)] == [True, False, True, False]
    assert allowed(shared, is_local_owner=True)
    assert not allowed(elsewhere, is_local_owner=True)
    settings.PENGUIN_ALLOWED_ROOTS = [tmp_path]  # holds the workspace, too: still nobody else's folder
    assert [allowed(path) for path in (elsewhere, foreign, settings.PENGUIN_WORKSPACE)] == [
        True,
        False,
        False,
    ]
