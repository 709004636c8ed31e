"""The configured model as the business's side of ad sessions; the script where it cannot be."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from ads import responders
from ads.responders import Talk
from penguin_site import session_responder
from penguin_site.session_responder import ModelResponder, NoAnswer, messages_of, read_answer
from tests.ads.test_api_sessions import end, find, garden, say, start  # noqa: F401 - a fixture
from tests.model_server import ModelServer
from tests.processes import eventually

MISSING = ["team_size", "budget"]


def answer(reply: object = "Thanks. Your budget?", **fields: object) -> str:
    return json.dumps({"reply": reply, "fields": fields})


@pytest.mark.parametrize(
    ("text", "said", "learned"),
    [
        (answer(team_size="12"), "We are 12 people.", {"team_size": "12"}),
        (answer(team_size=12), "We are 12 people.", {"team_size": "12"}),  # a number is one as well
        (answer(team_size="12 people"), "12 PEOPLE!", {"team_size": "12 people"}),
        (f"Sure: ```{answer(budget='500')}```", "500 a month", {"budget": "500"}),  # talk around the object
        (answer(team_size="40"), "We are 12 people.", {}),  # made up
        (answer(team_size=True, budget=["5"]), "5", {}),  # no values
        (answer(team_size=" \u0000"), "12", {}),
        (answer(password="x"), "x", {}),  # nobody has asked for it
        (answer(), "12", {}),
    ],
)
def test_only_what_the_user_has_said_is_learned(text, said, learned):
    assert read_answer(text, MISSING, said) == ("Thanks. Your budget?", learned)


@pytest.mark.parametrize(
    "text", ["", "Hello.", "[1]", "{", '{"fields": {}}', answer(5), answer(" \u0007"), '{"reply": "a"} }']
)
def test_what_is_no_answer_is_refused(text):
    with pytest.raises(NoAnswer):
        read_answer(text, MISSING, "12")


def test_the_model_is_told_its_task_and_what_was_said():
    talk = Talk("Salesgarden", "A CRM", MISSING, {"budget": "5"}, [("business", "Hi."), ("user", "{12}")])
    task, first, last = messages_of(talk)
    assert task.role == "system"
    assert "Salesgarden" in task.content
    assert "Still missing: team_size." in task.content
    assert (first.role, json.loads(first.content)["reply"]) == ("assistant", "Hi.")
    assert (last.role, last.content) == ("user", "{12}")


@pytest.fixture(scope="module")
def server():
    with ModelServer() as running:
        yield running
    session_responder.stop()


@pytest.fixture
def model(server, settings, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "scripted")
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    settings.PENGUIN_MODEL = "openai-chat:scripted"
    before = responders._installed
    responder = ModelResponder()
    responders.install(responder)
    yield responder
    responders.install(before)


@pytest.mark.django_db
def test_a_session_with_the_model(live, garden, model, monkeypatch, settings):  # noqa: F811
    session = start(live, find(live)).json()
    assert session["message"].startswith("Welcome to Salesgarden")  # no JSON: the script
    body = say(live, session, f"[[echo]] [[usage input=90 output=30]] {answer(team_size='12')}").json()
    assert (body["reply"], body["structured_data"]) == ("Thanks. Your budget?", {"team_size": "12"})
    assert body["pending_fields"] == ["budget"]

    # A model that does not answer in time, that fails, and one that is not to be had: the script goes on.
    monkeypatch.setattr(session_responder, "DEADLINE_SECONDS", 0.3)
    body = say(live, session, "[[hang]] budget: 500").json()
    assert (body["structured_data"]["budget"], body["pending_fields"]) == ("500", [])
    for text in ("[[error=500]] thanks", "[[cut]] thanks"):
        assert say(live, session, text).json()["reply"].startswith("That is all we need")
    for name in ("local", "openai-chat:", "nobody:model"):
        settings.PENGUIN_MODEL = name
        assert say(live, session, "[[echo]] " + answer()).json()["reply"].startswith("That is all we need")
    ended = end(live, session).json()
    assert (ended["status"], ended["total_tokens"]) == ("completed", 120)


def test_few_talks_at_once_hold_threads(model, monkeypatch):
    asked, let_go = [], threading.Event()

    def run(question):
        question.close()
        asked.append(question)
        assert let_go.wait(30)
        raise TimeoutError

    monkeypatch.setattr(session_responder, "_run", run)
    talk = Talk("Salesgarden", "A CRM", MISSING, {}, [("user", "12")])
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(model.reply, talk) for _ in range(session_responder.MOST_AT_ONCE)]
        eventually(lambda: len(asked) == session_responder.MOST_AT_ONCE, seconds=30)
        assert model.reply(talk) is None
        assert len(asked) == session_responder.MOST_AT_ONCE
        let_go.set()
        assert [each.result() for each in waiting] == [None] * session_responder.MOST_AT_ONCE


def test_every_process_of_the_site_has_it():
    from django.apps import apps

    before = responders._installed
    responders.install(None)
    apps.get_app_config("penguin_site").ready()
    assert isinstance(responders._installed, ModelResponder)
    responders.install(before)
