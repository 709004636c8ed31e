"""Scoring of texts, as tables: what is found, how surely, and where."""

import pytest

from conversations.core import attached_texts as attachments
from conversations.core.attached_texts import Attached, attached_texts
from conversations.core.moderation import (
    CheckKind,
    Hit,
    Window,
    excerpt_around,
    lines_of,
    phrase_pattern,
    score_examples,
    score_phrases,
    windows,
)
from conversations.core.text_checks import score_gibberish, score_repetition, screen


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Then go KILL yourself now", "KILL yourself"),  # case does not matter
        ("go kill\n  yourself", "kill\n  yourself"),  # nor what stands between the words
        ("k\u200bill yourself", "k\u200bill yourself"),  # nor characters that are not seen
        ("ｋｉｌｌ yourself", "ｋｉｌｌ yourself"),  # nor full width
        ("kïll yourself", "kïll yourself"),  # nor accents
        ("I'm so sorry", "I'm so sorry"),  # straight and curly apostrophes are one
        ("I\u2019m so sorry", "I\u2019m so sorry"),
        ("bombing it is", "bombing"),  # an asterisk stands for any ending
        ("upskill yourselfie", None),  # words are whole
        ("a.b* is a pattern", None),
        ("", None),
    ],
)
def test_phrases(text: str, found: str | None) -> None:
    hit = score_phrases(text, phrase_pattern(["kill yourself", "i'm so sorry", "bomb*"]))
    assert (text[hit.start : hit.end] if hit else None) == found


@pytest.mark.parametrize(
    ("context", "found"),
    [
        ({"attached_files": [{"name": "a", "content": "b"}]}, [Attached("a", "b")]),
        ({"attached_files": [{"name": "a", "b": "c"}]}, [Attached("context", "name\na\nb\nc")]),
        ({"attached_files": ["a", None], "b": {"c": ["d", 1, "e"]}, "f": "g"}, [
            Attached("context", "a"), Attached("context", ""), Attached("context", "b\nc\nd\ne\nf\ng"),
        ]),
        ({"attached_files": "a"}, [Attached("context", "attached_files\na")]),
        ({}, []),
    ],
)  # fmt: skip
def test_what_stands_in_a_context(context: object, found: list[Attached]) -> None:
    assert attached_texts([{"type": "context", "value": context}]) == found


def test_of_what_is_attached_so_much_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "MOST_CHARACTERS", 10)
    files = [
        {"name": "ab", "content": "x" * 3},
        {"name": "cd", "content": "y" * 9},
        {"name": "ef", "content": "z"},
    ]
    parts = [{"type": "context", "value": {"attached_files": files}}]
    assert attached_texts(parts) == [Attached("ab", "xxx"), Attached("cd", "yyy")]
    image = {"type": "image", "filename": "i.png"}
    monkeypatch.setattr(attachments, "MOST_CHARACTERS", 1000)
    assert attached_texts([image] * 30) == [Attached("i.png", "")] * attachments.MOST_FILES
    deep: object = "word"
    for _ in range(5_000):
        deep = [deep]
    assert attached_texts([{"type": "context", "value": deep}]) == [Attached("context", "word")]


def test_no_phrases_find_nothing() -> None:
    assert phrase_pattern([]) is None
    assert score_phrases("text", None) is None
    assert lines_of("# a remark\n\n one \ntwo") == ["one", "two"]


@pytest.mark.parametrize(
    ("kind", "text", "only", "found"),
    [
        (CheckKind.PROFANITY, "what the fuck", (), "fuck"),
        (CheckKind.PROFANITY, "you sh1thead", (), "sh1thead"),
        (CheckKind.PROFANITY, "damn it", ("strong",), None),  # mild
        (CheckKind.PROFANITY, "She lives in Scunthorpe", (), None),
        (CheckKind.PERSONAL, "Mail jane@example.com", (), "jane@example.com"),
        (CheckKind.PERSONAL, "card 4111 1111 1111 1111", (), "4111 1111 1111 1111"),
        (CheckKind.PERSONAL, "card 4111 1111 1111 1112", (), None),  # the checksum is wrong
        (CheckKind.PERSONAL, "Mail jane@example.com", ("credit_card",), None),
        (CheckKind.SECRETS, "key AKIAIOSFODNN7EXAMPLE", (), "AKIAIOSFODNN7EXAMPLE"),
        (CheckKind.SECRETS, "where do I put my key?", (), None),
    ],
)
def test_screening(kind: CheckKind, text: str, only: tuple[str, ...], found: str | None) -> None:
    hit = screen(kind, text, only=only)
    assert (text[hit.start : hit.end] if hit else None) == found
    assert hit is None or 0 < hit.score <= 1


@pytest.mark.parametrize(
    ("text", "is_gibberish"),
    [
        ("jkfdls jfkdls ajfkd lsa fjdkls", True),
        ("Can you help me to find the fault in this?", False),
        ("Kannst du mir bitte helfen, das zu finden?", False),
        ("Привет, как твои дела сегодня?", False),  # another script says nothing
        ("今天天气怎么样,我们去公园好吗", False),
        ("Look: ```jkfdls jfkdls ajfkd lsa fjdkls``` thank you very much", False),  # code does not count
        ("xkcd", False),  # too short to tell
    ],
)
def test_gibberish(text: str, is_gibberish: bool) -> None:
    hit = score_gibberish(text)
    assert (hit is not None and hit.score >= 0.98) == is_gibberish


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("buy " * 50, 0.9, 1.0),
        ("Buy it here today\n" * 20, 0.9, 1.0),
        (" ".join(f"https://shop{n}.example/a" for n in range(9)), 1.0, 1.0),
        ("See https://docs.example/a for more.", 0.0, 0.2),
        ("The cat sat on the mat, and the dog looked at it for a while before it went away again.", 0.0, 0.1),
        ("```\n" + "x = 1\n" * 30 + "```", 0.0, 0.1),  # code repeats itself
    ],
)
def test_repetition(text: str, least: float, most: float) -> None:
    hit = score_repetition(text)
    assert least <= (hit.score if hit else 0.0) <= most


def test_windows_are_sentences_and_keep_their_places() -> None:
    text = "One is here. Two is there!\nThree " + "x" * 500
    made = windows(text, most_characters=240)
    assert [window.text for window in made[:2]] == ["One is here.", "Two is there!"]
    assert all(text[window.start : window.end] == window.text for window in made)
    assert len(made) == 5 and max(len(window.text) for window in made) == 240
    assert windows("  \n ") == []
    many = windows("\n".join(f"line {number}" for number in range(1000)))
    assert len(many) == 12 and many[-1].text == "line 999"  # the end is looked at, too


@pytest.mark.parametrize(
    ("nearest", "harmless", "hit"),
    [
        ([0.2, 0.8], [0.1, 0.3], Hit(0.8, 10, 13)),
        ([0.9, 0.8], [0.95, 0.3], Hit(0.8, 10, 13)),  # the first is nearer to something harmless
        ([0.2, 0.3], [0.4, 0.5], None),
        ([-0.2, -0.3], [-1, -1], Hit(0.0, 0, 3)),  # a score is never negative
        ([1.0000001, 0.0], [0, 0], Hit(1.0, 0, 3)),  # nor above one
    ],
)
def test_examples(nearest: list[float], harmless: list[float], hit: Hit | None) -> None:
    assert score_examples([Window("one", 0), Window("two", 10)], nearest, harmless) == hit


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("short and bad", 10, 13),
        ("x" * 1000 + "bad" + "y" * 1000, 1000, 1003),
        ("bad" + "y" * 1000, 0, 3),
        ("x" * 1000 + "bad", 1000, 1003),
    ],
)
def test_an_excerpt_shows_the_hit(text: str, start: int, end: int) -> None:
    excerpt = excerpt_around(text, Hit(1.0, start, end), most=100)
    assert excerpt.text[excerpt.hit_start : excerpt.hit_end] == "bad"
    assert len(excerpt.text) <= 102


def test_a_long_hit_is_cut() -> None:
    excerpt = excerpt_around("z" * 5000, Hit(1.0, 0, 5000), most=100)
    assert (excerpt.text, excerpt.hit_start, excerpt.hit_end) == ("z" * 100 + "…", 0, 100)
