"""Signed tokens: they come back as they were made, or not at all."""

import base64
import json
import re
from dataclasses import replace
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ads.core.micros import Pricing
from ads.core.tokens import (
    LIFETIME_SECONDS,
    MAX_TOKEN_LENGTH,
    BadToken,
    Environment,
    SigningKey,
    TokenFacts,
    Window,
    read_click_token,
    read_tracking_token,
    sign_click_token,
    sign_tracking_token,
)

OLD, NEW, FOREIGN = (SigningKey.of(secret * 8) for secret in ("old-secret", "new-secret", "foreign"))
FACTS = TokenFacts(
    environment=Environment.TEST,
    agent_id="0" * 32,
    decision_id="1" * 32,
    unit_id="2" * 32,
    pricing=Pricing.CPC,
    price_cents=35,
    issued_at=1_780_000_000,
)
KINDS = [
    pytest.param(sign_click_token, read_click_token, id="click"),
    pytest.param(sign_tracking_token, read_tracking_token, id="tracking"),
]
any_facts = st.builds(
    TokenFacts,
    environment=st.sampled_from(Environment),
    agent_id=st.uuids().map(lambda value: value.hex),
    decision_id=st.uuids().map(lambda value: value.hex),
    unit_id=st.uuids().map(lambda value: value.hex),
    pricing=st.sampled_from(Pricing),
    price_cents=st.integers(0, 10**9),
    issued_at=st.integers(0, 2**40),
)


@pytest.mark.parametrize("sign, read", KINDS)
@given(facts=any_facts)
def test_what_was_signed_comes_back(sign, read, facts):
    token = sign(facts, [NEW])
    assert read(token, [NEW]) == facts
    assert len(token) <= MAX_TOKEN_LENGTH
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token)


def test_their_forms():
    head, tail = sign_click_token(FACTS, [NEW]).split(".")
    assert isinstance(json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))), dict)
    assert len(base64.urlsafe_b64decode(tail + "=")) == 32
    assert head.startswith("eyJ")
    assert re.fullmatch(r"trk_[A-Za-z0-9_-]+", sign_tracking_token(FACTS, [NEW]))


@pytest.mark.parametrize("sign, read", KINDS)
def test_two_keys_are_active(sign, read):
    before, after = sign(FACTS, [OLD]), sign(FACTS, [NEW, OLD])
    assert read(before, [NEW, OLD]) == read(after, [NEW, OLD]) == read(after, [NEW]) == FACTS
    for token, keys in ((before, [NEW]), (after, [FOREIGN]), (after, [])):
        with pytest.raises(BadToken):
            read(token, keys)


def test_a_token_is_of_its_kind():
    click, tracking = sign_click_token(FACTS, [NEW]), sign_tracking_token(FACTS, [NEW])
    signed = base64.urlsafe_b64decode(tracking[4:] + "=" * (-len(tracking[4:]) % 4))
    as_click = ".".join(
        base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (signed[:-32], signed[-32:])
    )
    for token in (tracking, as_click):
        with pytest.raises(BadToken):
            read_click_token(token, [NEW])
    with pytest.raises(BadToken):
        read_tracking_token(click, [NEW])


@pytest.mark.parametrize("sign, read", KINDS)
@given(position=st.integers(0, 10_000), character=st.characters(codec="utf-8"))
def test_no_character_can_be_changed(sign, read, position, character):
    token = sign(FACTS, [NEW])
    position %= len(token)
    changed = token[:position] + character + token[position + 1 :]
    if changed == token:
        return
    with pytest.raises(BadToken):
        read(changed, [NEW])


@pytest.mark.parametrize("sign, read", KINDS)
@pytest.mark.parametrize(
    "change", [lambda t: t + "=", lambda t: t[:-1], lambda t: t + "A", lambda t: " " + t]
)
def test_a_token_has_one_spelling(sign, read, change):
    with pytest.raises(BadToken):
        read(change(sign(FACTS, [NEW])), [NEW])


@given(st.text(max_size=300))
def test_other_texts_are_no_tokens(text):
    for read in (read_click_token, read_tracking_token):
        for candidate in (text, "trk_" + text):
            with pytest.raises(BadToken):
                read(candidate, [NEW])


def test_an_endless_text_is_no_token():
    for text in ("A" * 100_000 + ".AAAA", "trk_" + "A" * 100_000):
        with pytest.raises(BadToken):
            read_click_token(text, [NEW])
        with pytest.raises(BadToken):
            read_tracking_token(text, [NEW])


@pytest.mark.parametrize(
    "window, hours",
    [
        (Window.IMPRESSION, 1),
        (Window.CLICK, 24),
        (Window.FEEDBACK, 24),
        (Window.CONVERSION, 7 * 24),
        (Window.RATING, 7 * 24),
    ],
)
def test_lifetimes(window, hours):
    assert LIFETIME_SECONDS[window] == hours * 3600
    end = FACTS.issued_at + hours * 3600
    assert FACTS.is_alive(window, FACTS.issued_at)
    assert FACTS.is_alive(window, end)
    assert not FACTS.is_alive(window, end + 1)


def test_a_key_id_says_nothing_of_the_secret():
    key = SigningKey.of("a secret of many characters")
    assert key.key_id != SigningKey.of("another secret").key_id
    assert re.fullmatch("[0-9a-f]{8}", key.key_id)
    token = sign_click_token(replace(FACTS, agent_id=uuid4().hex), [key])
    assert "secret" not in base64.urlsafe_b64decode(token.split(".")[0] + "==").decode(errors="replace")
