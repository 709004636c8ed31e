"""The script of sessions and the names of placements, as tables."""

import pytest

from ads.core import session_scripts
from ads.core.placements import kept_name
from ads.core.session_scripts import answers_in, pending, request_for, summary

FIELDS = ["team_size", "budget"]


@pytest.mark.parametrize(
    "data, missing",
    [
        ({}, FIELDS),
        ({"team_size": 0, "budget": False}, []),  # known, though they look empty
        ({"team_size": "  ", "budget": None}, FIELDS),
        ({"budget": "500", "other": 1}, ["team_size"]),
    ],
    ids=str,
)
def test_what_is_pending(data, missing):
    assert pending(FIELDS, data) == missing


@pytest.mark.parametrize(
    "text, missing, answers",
    [
        ("twelve people", FIELDS, {"team_size": "twelve people"}),  # answers what was asked first
        ("team size: 12; budget = 500", FIELDS, {"team_size": "12", "budget": "500"}),
        ("Team-Size is 12, Budget: 500 a month", FIELDS, {"team_size": "12", "budget": "500 a month"}),
        ("my budget is 500", ["budget"], {"budget": "500"}),
        ("budgets: 7", ["budget"], {"budget": "budgets: 7"}),  # another word
        ("budget:", ["budget"], {"budget": "budget:"}),
        ("anything", [], {}),
        ("   ", FIELDS, {}),
        ("x" * 2_000, ["budget"], {"budget": "x" * 1_000}),
        ("a.b is 5", ["a.b"], {"a.b": "5"}),  # names are no patterns
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_a_message_answers(text, missing, answers):
    assert answers_in(text, missing) == answers


def test_what_is_said():
    assert session_scripts.greeting("Garden", "Two questions", []).startswith(
        "Welcome to Garden: Two questions."
    )
    assert "team size" in request_for(FIELDS)
    assert "budget" in request_for(FIELDS)
    assert request_for(["budget"]) == "Please tell us: budget."
    assert "end the session" in request_for([])
    assert summary("Garden", FIELDS, {"team_size": 12, "note": "x"}) == "Garden: team size: 12"
    assert summary("Garden", [], {}) == "Garden: nothing was asked for."


@pytest.mark.parametrize(
    "placement, is_kept",
    [
        ("", True),
        ("sidebar", True),
        ("chat.answer:2/top-1", True),
        ("x" * 64, True),
        ("x" * 65, False),
        ("two words", False),
        ("I need a tax accountant", False),
        ("größe", False),
        ("line\nbreak", False),
    ],
)
def test_names_of_placements(placement, is_kept):
    kept = kept_name(placement, secret="secret")
    if is_kept:
        assert kept == placement
    else:
        assert kept.startswith("plc_")
        assert len(kept) == 16
        assert kept == kept_name(placement, secret="secret") != kept_name(placement, secret="other")
