"""The moderation queue over HTTP: what it shows, what its buttons do, and who may press them."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from conversations import moderation_queue
from conversations.models import Message, ModerationFlag, ModerationRule, UserBlock
from penguin_site.models import AuditEntry, User
from tests.factories import FlagFactory, MessageFactory, RuleFactory, UserFactory

QUEUE = "/admin/conversations/moderationflag/"
DECISIONS = "/admin/conversations/moderationdecision/"
RULES = "/admin/conversations/moderationrule/"
PERMISSIONS = [
    "view_moderationflag",
    "decide_moderationflag",
    "view_moderationdecision",
    "block_author",
    "view_userblock",
    "view_moderationrule",
    "change_moderationrule",
    "add_moderationrule",
    "view_userwarning",
]


def moderator(name: str, *without: str) -> tuple[User, Client]:
    user, client = UserFactory(username=name, is_staff=True), Client()
    names = [permission for permission in PERMISSIONS if permission not in without]
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return user, client


@pytest.fixture
def anna(db) -> Client:
    return moderator("anna")[1]


@pytest.fixture
def bert(db) -> Client:
    return moderator("bert")[1]


def press(
    client: Client, action: str, *flags: ModerationFlag, reason: str = "", **more: object
) -> list[dict]:
    body = {"action": action, "flag": [flag.pk for flag in flags], "reason": reason, **more}
    answer = client.post(f"{QUEUE}decide/", body, headers={"Accept": "application/json"})
    return answer.json()["results"] if answer.status_code == 200 else [answer.json()]


def shown(client: Client, query: str = "") -> list[int]:
    page = client.get(f"{QUEUE}?{query}").content.decode()
    return [int(number) for number in re.findall(r'data-flag="(\d+)"', page)]


def test_the_queue_shows_what_waits_and_can_be_narrowed(anna) -> None:
    first = FlagFactory(message__content="One <b>badword</b> here", hit_start=7, hit_end=14)
    second = FlagFactory(created_at=timezone.now() - timedelta(days=9))
    FlagFactory(state="decided", outcome="dismissed", decided_at=timezone.now())
    assert shown(anna) == [second.pk, first.pk]  # the longest waiting first
    page = anna.get(QUEUE).content.decode()
    assert "One &lt;b&gt;<mark>badword</mark>&lt;/b&gt; here" in page
    assert shown(anna, f"rule={first.rule_id}") == [first.pk]
    assert shown(anna, "age=day") == [first.pk]
    assert shown(anna, "age=older") == [second.pk]
    assert shown(anna, f"author={second.author.username}") == [second.pk]
    assert shown(anna, "author=nobody&rule=x&age=y") == []
    assert b"Nothing waits here" in anna.get(f"{QUEUE}?author=nobody").content
    # What was said around it.
    context = anna.get(f"{QUEUE}{first.pk}/context/").content.decode()
    assert "One &lt;b&gt;badword" in context
    assert b"What was said around it" in anna.get(f"{QUEUE}{first.pk}/change/").content
    looks = AuditEntry.objects.filter(actor="anna", action="staff.looked")
    assert looks.count() == 2


def test_a_press_decides_and_another_takes_it_back(anna, bert) -> None:
    flag = FlagFactory()
    (done,) = press(anna, "hide", flag, reason="Rude")
    assert done == {
        "flag": flag.pk,
        "done": True,
        "text": "Hidden by anna.",
        "state": "decided",
        "settled": [flag.pk],
    }
    (late,) = press(bert, "dismiss", flag)
    assert (late["done"], late["code"]) == (False, "flag_decided")
    assert late["text"] == "anna has already decided this: hidden."
    assert Message.objects.get(pk=flag.message_id).metadata["hidden_reason"] == "Rude"
    # Hidden texts are shown to moderators.
    assert b"A badword in a message" in bert.get(f"{QUEUE}{flag.pk}/context/").content
    (undone,) = press(bert, "reopen", flag)
    assert (undone["state"], undone["text"]) == ("open", "It waits again.")
    assert Message.objects.get(pk=flag.message_id).content == "A badword in a message"
    press(anna, "claim", flag)
    (refused,) = press(bert, "hide", flag)
    assert (refused["code"], refused["text"]) == ("flag_claimed", "anna is looking at this one.")
    assert "anna is looking at it." in bert.get(QUEUE).content.decode()
    press(anna, "release", flag)
    assert press(bert, "restore", flag)[0]["code"] == "flag_not_decided"
    assert press(anna, "dance", flag)[0]["code"] == "invalid_request"
    assert press(anna, "hide")[0]["detail"] == "Choose a flag first."


def test_many_are_decided_at_once_and_without_a_script(anna, bert) -> None:
    message = MessageFactory(content="badword")
    flags = [FlagFactory(message=message), FlagFactory(message=message), FlagFactory(), FlagFactory()]
    press(bert, "dismiss", flags[3])
    results = press(anna, "hide", *flags)
    assert [result["done"] for result in results] == [True, True, True, False]
    assert results[0]["settled"] == [flags[0].pk, flags[1].pk]
    # Plain forms: each button sends its own flag.
    flag = FlagFactory()
    answer = anna.post(
        f"{QUEUE}decide/?flag={flag.pk}", {"action": "warn", "back": f"{QUEUE}?age=day"}, follow=True
    )
    assert answer.redirect_chain == [(f"{QUEUE}?age=day", 302)]
    assert [str(message) for message in answer.context["messages"]] == ["Warned by anna."]
    refused = anna.post(
        f"{QUEUE}decide/", {"action": "warn", "back": "https://elsewhere.example/"}, follow=True
    )
    assert refused.redirect_chain == [(QUEUE, 302)]
    # All of it stands in the list of decisions, and is taken back there.
    page = anna.get(DECISIONS).content.decode()
    assert page.count("badword") >= 5 and "Please write otherwise." in page
    body = {"action": "take_back", "_selected_action": [flag.pk, flags[0].pk]}
    assert anna.post(DECISIONS, body).status_code == 302
    assert set(ModerationFlag.objects.exclude(state="decided")) == {flag, flags[0], flags[1]}
    body = {"action": "show_again", "_selected_action": [flags[2].pk]}
    anna.post(DECISIONS, body)
    flags[2].refresh_from_db()
    assert flags[2].outcome == "restored"
    assert anna.get(f"{DECISIONS}?by=me&outcome__exact=restored").content.count(b"badword") == 1


def test_blocks_are_made_and_lifted(anna) -> None:
    flag = FlagFactory()
    press(anna, "block", flag, reason="Enough")
    listed = anna.get("/admin/conversations/userblock/").content.decode()
    assert flag.author.username in listed and "Enough" in listed
    body = {"action": "lift", "_selected_action": [UserBlock.objects.get().pk]}
    anna.post("/admin/conversations/userblock/", body)
    assert UserBlock.objects.get().lifted_by.username == "anna"
    press(anna, "warn", FlagFactory())
    assert b"Please write otherwise." in anna.get("/admin/conversations/userwarning/").content


def test_rules_are_changed_and_audited(anna) -> None:
    rule = RuleFactory(name="Words")
    page = f"{RULES}{rule.pk}/change/"
    fields = {"name": "Words", "kind": "phrases", "threshold": "0.5", "applies_to": "both", "is_on": "on"}
    assert anna.post(page, {**fields, "phrases": " "}).status_code == 200  # such a rule finds nothing
    assert anna.post(page, {**fields, "phrases": "x", "threshold": "2"}).status_code == 200
    assert anna.post(page, {**fields, "phrases": "one\r\ntwo", "only": "a, b"}).status_code == 302
    rule.refresh_from_db()
    assert (rule.phrases.split(), rule.only) == (["one", "two"], ["a", "b"])
    made = {**fields, "name": "More", "phrases": "three"}
    assert anna.post(f"{RULES}add/", made).status_code == 302
    assert ModerationRule.objects.filter(name="More").exists()
    assert anna.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"}).status_code == 403
    changed = AuditEntry.objects.get(action="moderation.rule_changed")
    assert (changed.before["phrases"], changed.after["phrases"].split()) == ("badword", ["one", "two"])


def test_rules_are_tried_on_a_text(anna) -> None:
    ModerationRule.objects.all().delete()
    RuleFactory(name="Words")
    RuleFactory(name="Same again", kind="repetition", threshold=0.99)
    RuleFactory(name="Off", is_on=False)
    assert b"Try the rules on a text" in anna.get(RULES).content
    page = anna.post(f"{RULES}try/", {"text": "<b>badword</b> " + "same " * 40}).content.decode()
    assert re.findall(r"makes a flag|under the threshold", page) == ["makes a flag", "under the threshold"]
    assert "&lt;b&gt;<mark>badword</mark>" in page and "Off" not in re.findall(
        r'mq-rule" href="[^"]+">([^<]+)<', page
    )
    assert b"No rule finds anything" in anna.post(f"{RULES}try/", {"text": "Hello"}).content
    assert anna.get(f"{RULES}try/").status_code == 403
    assert not ModerationFlag.objects.exists()


def test_rights_are_asked_for(db) -> None:
    flag = FlagFactory()
    _, stranger = moderator("sam", *PERMISSIONS)
    for path in (QUEUE, f"{QUEUE}{flag.pk}/change/", f"{QUEUE}{flag.pk}/context/", DECISIONS, RULES):
        assert stranger.get(path).status_code == 403
    assert stranger.post(f"{QUEUE}decide/", {"action": "hide", "flag": flag.pk}).status_code == 403
    _, reader = moderator("rea", "decide_moderationflag", "block_author")
    page = reader.get(QUEUE).content.decode()
    assert 'value="hide"' not in page
    assert press(reader, "hide", flag)[0]["code"] == "forbidden"
    _, junior = moderator("jun", "block_author")
    assert 'value="block"' not in junior.get(QUEUE).content.decode()
    assert press(junior, "block", flag)[0]["code"] == "forbidden"
    assert press(junior, "hide", flag)[0]["done"] is True
    (undone,) = press(moderator("old")[1], "reopen", flag)
    press(moderator("boss")[1], "block", flag)
    assert undone["done"] and press(junior, "reopen", flag)[0]["code"] == "forbidden"


def test_lists_have_a_constant_number_of_statements_and_count_nothing(anna, monkeypatch) -> None:
    monkeypatch.setattr(moderation_queue, "PAGE", 3)

    def statements(path: str) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            assert anna.get(path).status_code == 200
        return [query["sql"] for query in captured]

    decided = {"state": "decided", "outcome": "hidden", "decided_at": timezone.now()}
    FlagFactory(), FlagFactory(**decided)
    statements(QUEUE)  # what a process remembers for some seconds is asked for once
    few = {path: statements(path) for path in (QUEUE, DECISIONS)}
    for _ in range(4):
        FlagFactory(), FlagFactory(**decided)
    for path in (QUEUE, DECISIONS):
        many = statements(path)
        assert len(many) == len(few[path])
        assert not [sql for sql in many if "COUNT(" in sql]
    page = anna.get(QUEUE).content.decode()
    following = re.search(r'href="(\?after=\d+)">Next page', page)[1]
    assert len(shown(anna)) == 3 and len(shown(anna, following[1:])) == 2
