"""Sponsored suggestions: who allows them, how often there may be one, and what the marketplace hears of it."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from django.db import connections

from ads import features, house_agent
from ads.house_agent import Suggestion
from ads.models import AdEvent, Agent, Decision, FeatureSwitch
from conversations import sponsored
from conversations.core.ids import uuid7
from conversations.models import Conversation, Message, SponsoredSuggestion
from tests.ads.conftest import (  # noqa: F401  (fixtures)
    _fresh_snapshot,
    _model_is_loaded,
    _nothing_remembered_of_ads,
)
from tests.ads.factories import AdUnitFactory
from tests.ads.test_privacy import CANARY, tables_with
from tests.factories import ConversationFactory, MessageFactory, SponsoredSuggestionFactory, UserFactory

QUESTION = "I need a tax accountant"
SWITCH = "/api/v1/sponsored"


@pytest.fixture
def allowing(person) -> Conversation:
    """A conversation in which suggestions are on, of a person who allows them."""
    sponsored.allow(user_id=person.pk, is_on=True, now=datetime.now(UTC))
    return ConversationFactory(owner=person, sponsored=True)


def answer_in(conversation: Conversation, text: str = QUESTION) -> sponsored.Answer:
    """The answer to one more message."""
    question = MessageFactory(conversation=conversation, content=text)
    answer = MessageFactory(
        conversation=conversation,
        turn=question.turn,
        step=Message.ANSWER_STEP,
        role=Message.Role.ASSISTANT,
        content="",
    )
    return sponsored.Answer(conversation.pk, answer.pk, question.pk)


def suggest(answer: sponsored.Answer) -> Suggestion | None:
    return sponsored.suggest(answer, until=time.monotonic() + 60, now=datetime.now(UTC))


def patch(client, address: str, **body):
    return client.patch(address, body, content_type="application/json")


# The switches


def test_one_allows_them_for_oneself_and_takes_it_back(api, client_for):
    assert api.get(SWITCH).json() == {"enabled": False}
    assert patch(api, SWITCH, enabled=True).json() == {"enabled": True}
    assert api.get(SWITCH).json() == {"enabled": True}
    assert client_for(UserFactory()).get(SWITCH).json() == {"enabled": False}
    assert patch(api, SWITCH, enabled=False).json() == {"enabled": False}
    assert api.get(SWITCH).json() == {"enabled": False}


@pytest.mark.parametrize("body", [{}, {"enabled": "yes"}, {"enabled": 1}, {"enabled": None}], ids=str)
def test_the_switch_takes_true_and_false_alone(api, body):
    assert patch(api, SWITCH, **body).status_code == 400
    assert api.get(SWITCH).json() == {"enabled": False}


def test_a_conversation_says_whether_they_are_on(api, person):
    address = f"/api/v1/conversations/{ConversationFactory(owner=person).session_id}"
    assert api.get(address).json()["sponsored"] is False
    assert patch(api, address, sponsored=True).json()["sponsored"] is True
    assert api.get(address).json()["sponsored"] is True
    assert api.get(f"{address}/snapshot").json()["sponsored"] is True
    assert api.get("/api/v1/conversations").json()["conversations"][0]["sponsored"] is True
    assert patch(api, address, sponsored="true").status_code == 400


@pytest.mark.parametrize(("by_person", "by_conversation"), [(False, False), (True, False), (False, True)])
def test_without_both_switches_the_marketplace_hears_nothing(person, by_person, by_conversation):
    AdUnitFactory(example_queries=[QUESTION])
    sponsored.allow(user_id=person.pk, is_on=by_person, now=datetime.now(UTC))
    answer = answer_in(ConversationFactory(owner=person, sponsored=by_conversation))
    assert suggest(answer) is None
    assert sponsored.take(answer, Suggestion([{}], "live")) is None
    assert not Decision.objects.exists()
    assert not Agent.objects.exists()


# What is suggested


def test_what_fits_is_suggested_labelled_and_decided_once(allowing):
    AdUnitFactory(title="CloudTax", example_queries=[QUESTION], campaign__advertiser__name="CloudTax Inc.")
    AdUnitFactory(title="Oven", example_queries=["buy a pizza oven"])
    answer = answer_in(allowing)
    first, again = suggest(answer), suggest(answer)
    assert first is not None
    assert first == again
    (unit,) = first.units
    assert unit["creative"]["title"] == "CloudTax"
    assert (unit["disclosure"]["label"], unit["disclosure"]["sponsor_name"]) == ("Sponsored", "CloudTax Inc.")
    decision = Decision.objects.get()
    assert (decision.agent_id, decision.book) == (house_agent.HOUSE_AGENT_ID, "live")


def test_where_nobody_ever_advertised_the_demonstration_is_shown_and_nobody_pays(allowing):
    AdUnitFactory(
        title="Demo",
        example_queries=[QUESTION],
        campaign__advertiser__environment="test",
        campaign__advertiser__paid_in=0,
    )
    suggestion = suggest(answer_in(allowing))
    assert suggestion is not None
    assert suggestion.environment == "test"
    assert Decision.objects.get().book != "live"


def test_what_was_said_is_not_kept_by_the_marketplace(allowing):
    AdUnitFactory(example_queries=[QUESTION])
    assert suggest(answer_in(allowing, f"{QUESTION} {CANARY}"))
    assert tables_with(CANARY) == ["message"]


@pytest.mark.parametrize("text", ["I want to kill myself", "Tell me about volcanoes on the moon of Jupiter"])
def test_a_moment_for_no_ad_gets_none(allowing, text):
    AdUnitFactory(example_queries=[QUESTION])
    assert suggest(answer_in(allowing, text)) is None


def test_what_staff_has_switched_off_stays_off(allowing):
    AdUnitFactory(example_queries=[QUESTION])
    answer = answer_in(allowing)
    switch = FeatureSwitch.objects.create(feature=FeatureSwitch.Feature.DECIDE, is_on=False)
    assert suggest(answer) is None
    switch.delete()
    features.forget()
    Agent.objects.filter(pk=house_agent.house_agent().pk).update(status=Agent.Status.SUSPENDED)
    assert suggest(answer) is None
    Agent.objects.update(status=Agent.Status.ACTIVE)
    assert suggest(answer)


# How often


def test_one_in_five_messages(allowing):
    suggestion = Suggestion([{"tracking_token": "trk_x"}], "live")
    taken = [sponsored.take(answer_in(allowing), suggestion) is not None for _ in range(12)]
    assert [number for number, is_taken in enumerate(taken, start=1) if is_taken] == [1, 6, 11]


def test_an_answer_that_is_ended_again_has_the_same_and_a_retry_has_none(allowing):
    suggestion = Suggestion([{"tracking_token": "trk_x"}], "live")
    answer = answer_in(allowing)
    assert sponsored.take(answer, suggestion) == suggestion.units
    assert sponsored.take(answer, Suggestion([{"tracking_token": "trk_y"}], "live")) == suggestion.units
    retry = MessageFactory(conversation=allowing, role=Message.Role.ASSISTANT)
    assert sponsored.take(sponsored.Answer(allowing.pk, retry.pk, answer.question_id), suggestion) is None
    assert SponsoredSuggestion.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_one_is_taken():
    person = UserFactory()
    sponsored.allow(user_id=person.pk, is_on=True, now=datetime.now(UTC))
    conversation = ConversationFactory(owner=person, sponsored=True)
    answers = [answer_in(conversation) for _ in range(5)]

    def take(answer: sponsored.Answer) -> bool:
        try:
            return sponsored.take(answer, Suggestion([{"tracking_token": "trk_x"}], "live")) is not None
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(answers)) as threads:
        assert sum(threads.map(take, answers)) == 1
    assert SponsoredSuggestion.objects.count() == 1


# What becomes of it


def shown(conversation: Conversation) -> str:
    """A suggestion beside an answer; where its message is found."""
    answer = answer_in(conversation)
    suggestion = suggest(answer)
    assert suggestion
    units = sponsored.take(answer, suggestion)
    Message.objects.filter(pk=answer.message_id).update(metadata={"status": "completed", "sponsored": units})
    return f"/api/v1/messages/{answer.message_id}/sponsored"


def test_a_dismissal_ends_them_in_its_conversation_and_is_told(api, allowing):
    AdUnitFactory(example_queries=[QUESTION])
    address = shown(allowing)
    first = api.post(f"{address}/dismiss")
    assert first.status_code == 200
    assert api.post(f"{address}/dismiss").json() == first.json()
    assert first.json()["dismissed_at"]
    assert [event.kind for event in AdEvent.objects.all()] == ["dismiss"]

    conversation = api.get(f"/api/v1/conversations/{allowing.session_id}").json()
    assert conversation["sponsored"] is False
    assert conversation["messages"][-1]["metadata"]["sponsored_dismissed"] is True
    for _ in range(6):
        later = answer_in(allowing)
        assert suggest(later) is None
        assert sponsored.take(later, Suggestion([{}], "live")) is None
    # Until its person wants them again.
    patch(api, f"/api/v1/conversations/{allowing.session_id}", sponsored=True)
    assert sponsored.take(later, Suggestion([{}], "live"))


def test_one_that_was_seen_is_an_impression_once(api, allowing):
    AdUnitFactory(example_queries=[QUESTION], campaign__pricing="cpm", campaign__bid_cents=500)
    address = shown(allowing)
    first = api.post(f"{address}/seen")
    assert first.status_code == 200
    assert api.post(f"{address}/seen").json() == first.json()
    event = AdEvent.objects.get()
    assert (event.kind, event.is_billed) == ("impression", True)


@pytest.mark.parametrize("what", ["seen", "dismiss"])
def test_a_message_without_one_and_one_whose_token_is_forgotten(api, person, what):
    conversation = ConversationFactory(owner=person)
    without = MessageFactory(conversation=conversation)
    assert api.post(f"/api/v1/messages/{without.pk}/sponsored/{what}").status_code == 404
    assert api.post(f"/api/v1/messages/{uuid7()}/sponsored/{what}").status_code == 404
    forgotten = SponsoredSuggestionFactory(message__conversation=conversation)
    assert api.post(f"/api/v1/messages/{forgotten.message_id}/sponsored/{what}").status_code == 200
    assert not AdEvent.objects.exists()


def test_a_fork_takes_no_ads_along(api, allowing):
    AdUnitFactory(example_queries=[QUESTION])
    shown(allowing)
    fork = api.post(
        f"/api/v1/conversations/{allowing.session_id}/fork", {}, content_type="application/json"
    ).json()
    copied = api.get(f"/api/v1/conversations/{fork['session_id']}").json()
    assert copied["sponsored"] is False
    assert [message["metadata"].get("sponsored") for message in copied["messages"]] == [None, None]
