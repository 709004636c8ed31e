"""Redaction of secrets, cursors of lists, kinds of text: tables of cases."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core.page_cursors import PageCursor, parse_page_cursor
from conversations.core.redaction import redact, redact_values
from conversations.core.text_files import decoded_text, is_text_type


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("key sk-abcdefghijklmnop1234 end", "key [redacted] end"),
        ("pk_0123456789abcdefghij", "[redacted]"),
        ("sk_live_0123456789abcdefghij", "[redacted]"),
        ("github_pat_0123456789abcdefghij_x", "[redacted]"),
        ("Authorization: Bearer abcdefghijkl==", "Authorization: Bearer [redacted]"),
        ("authorization: basic dXNlcjpwYXNzd29yZA==", "authorization: basic [redacted]"),
        ("postgresql://user:pa55word@host/db", "postgresql://user:[redacted]@host/db"),
        ("redis://:pa55word@host", "redis://:[redacted]@host"),
        ('"api_key": "0123456789abcdef",', '"api_key": "[redacted]",'),
        ("OPENAI_API_KEY=0123456789abcdef", "OPENAI_API_KEY=[redacted]"),
        ("password: hunter2hunter2", "password: [redacted]"),
        ("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\nrest", "[redacted]\nrest"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\ncut off", "[redacted]"),
        # What only looks a little like one stays.
        ("The bearer of this letter", "The bearer of this letter"),
        ("a task-oriented-and-long-hyphenated-word", "a task-oriented-and-long-hyphenated-word"),
        ("http://host:8080/path@x", "http://host:8080/path@x"),
        ("-----BEGIN PUBLIC KEY-----\nabc", "-----BEGIN PUBLIC KEY-----\nabc"),
        ("What is a password?", "What is a password?"),
        ("", ""),
    ],
)
def test_secrets_are_replaced_and_nothing_else(text, redacted):
    assert redact(text) == redacted


def test_values_are_judged_with_their_keys():
    value = {
        "password": "hunter2hunter2",
        "list": ["sk-abcdefghijklmnop1234", 5, None],
        "count": 3,
        "note": "fine",
    }
    assert redact_values(value) == {
        "password": "[redacted]",
        "list": ["[redacted]", 5, None],
        "count": 3,
        "note": "fine",
    }


@pytest.mark.parametrize(
    "piece",
    [
        "a.",
        "eyJ-",
        "sk-",
        "bearer ",
        "-----BEGIN ",
        "x://",
        "SG.-",
        "api_key",
        "password =",
        "://:",
        "A1 ",
        "\n",
        "xoxb-",
        "://a:b",
    ],
)
def test_no_text_takes_long(piece):
    began = time.process_time()
    redact(piece * (400_000 // len(piece)))
    assert time.process_time() - began < 5


@given(st.datetimes(timezones=st.just(UTC)), st.uuids() | st.integers(0, 2**63 - 1))
def test_a_cursor_is_read_back(moment, row_id):
    cursor = PageCursor(moment, str(row_id))
    assert parse_page_cursor(str(cursor)) == cursor


@given(st.text())
def test_no_text_breaks_the_reading_of_cursors(text):
    try:
        cursor = parse_page_cursor(text)
    except ValueError:
        return
    assert cursor.moment.tzinfo is not None


def test_a_cursor_is_text_for_an_address():
    text = str(PageCursor(datetime(2024, 3, 30, tzinfo=UTC), "5"))
    assert text.replace("-", "").replace("_", "").isalnum()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"\xef\xbb\xbfx", "x"),
        ("é🐧".encode(), "é🐧"),
        (b"a\x00", None),
        (b"\xe9", None),
        (b"\xed\xa0\x80", None),
    ],
)
def test_only_utf8_is_text(data, text):
    assert decoded_text(data) == text


@pytest.mark.parametrize(
    ("media_type", "is_text"),
    [
        ("text/plain", True),
        ("text/x-anything", True),
        ("application/json", True),
        ("image/svg+xml", False),
        ("", False),
    ],
)
def test_media_types_of_texts(media_type, is_text):
    assert is_text_type(media_type) is is_text
