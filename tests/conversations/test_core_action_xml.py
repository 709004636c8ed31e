"""Calls written as text: what is one, what only looks like one, and what of an answer is shown while it streams."""

import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core.action_xml import VisibleText, find_calls, instructions

TOOLS = ("read_file", "run", "run_all")
CALL = '<run>{"n": 1}</run>'
FENCE = "```"


def calls_in(text: str, quoted: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    found = find_calls(text, tools=TOOLS, quoted=quoted)
    assert all(text[call.start : call.end].startswith(f"<{call.name}>") for call in found.calls)
    assert all(text[call.start : call.end].endswith(f"</{call.name}>") for call in found.calls)
    return [(call.name, call.arguments_text) for call in found.calls]


@pytest.mark.parametrize(
    "text, calls, visible",
    [
        ("", [], ""),
        ("Just text, 1 < 2 and <b>bold</b>.", [], "Just text, 1 < 2 and <b>bold</b>."),
        (f"First.\n{CALL}", [("run", '{"n": 1}')], "First.\n"),
        (f"a{CALL}b", [("run", '{"n": 1}')], "ab"),
        # Several, in their order.
        (
            'x<read_file>{"path": "a"}</read_file>y<run>{}</run>z',
            [("read_file", '{"path": "a"}'), ("run", "{}")],
            "xyz",
        ),
        # A name that is the beginning of another one.
        ('<run_all>{"n": 1}</run_all>', [("run_all", '{"n": 1}')], ""),
        ("<run_al>{}</run_al>", [], "<run_al>{}</run_al>"),
        # Not offered, or not exactly the name.
        ('<shell>{"n": 1}</shell>', [], '<shell>{"n": 1}</shell>'),
        ("<Run>{}</Run>", [], "<Run>{}</Run>"),
        ('<run id="1">{}</run>', [], '<run id="1">{}</run>'),
        ("</run>{}<run", [], "</run>{}<run"),
        # A `<` right before the tag.
        ("<<ru<run>{}</run>", [("run", "{}")], "<<ru"),
        # Blanks around the arguments; none at all.
        ('<run>\n  {"n": 1}\n</run>', [("run", '{"n": 1}')], ""),
        ("<run></run>", [("run", "{}")], ""),
        ("<run> \n </run>", [("run", "{}")], ""),
    ],
)
def test_calls_are_taken_out_of_the_text(text, calls, visible):
    assert calls_in(text) == calls
    assert find_calls(text, tools=TOOLS).visible_text == visible


@pytest.mark.parametrize(
    "body",
    ["ls -la", "{not json}", "[1, 2]", '{"n": 1} and more', '"text"', '{"n": }', "{" * 5000],
)
def test_arguments_that_are_no_json_object_still_make_a_call(body):
    assert calls_in(f"<run>{body}</run>") == [("run", body)]


@pytest.mark.parametrize(
    "content",
    [
        "</run>",
        "<read_file>{}</read_file>",
        'a "quoted" </run> \\',
        f"{FENCE}\n</run>\n{FENCE}",
        "line\nbreak </run>",
    ],
)
def test_tags_inside_arguments_are_data(content):
    body = json.dumps({"content": content})
    assert calls_in(f"<run>{body}</run> and {CALL}") == [("run", body), ("run", '{"n": 1}')]


@pytest.mark.parametrize(
    "text",
    [
        "<run>",
        '<run>{"n": 1}',
        '<run>{"n": 1}</run',
        # Cut off inside its arguments: what stands there is a part of them, not a call.
        '<run>{"content": "<read_file>{}</read_file>',
        "I would use <run> or <read_file>{}</read_file>",
    ],
)
def test_an_unclosed_tag_is_text_and_so_is_what_follows(text):
    found = find_calls(text, tools=TOOLS)
    assert found.calls == ()
    assert found.visible_text == text


def test_a_string_that_never_ends_is_closed_by_the_first_tag_and_nothing_behind_it_runs():
    text = '<run>{"path": "a}</run> then <read_file>{}</read_file>'
    found = find_calls(text, tools=TOOLS)
    assert [(call.name, call.arguments_text) for call in found.calls] == [("run", '{"path": "a}')]
    assert found.visible_text == " then <read_file>{}</read_file>"


@pytest.mark.parametrize(
    "text",
    [
        f"{FENCE}\n{CALL}\n{FENCE}",
        f"{FENCE}xml\n{CALL}\n{FENCE}\n",
        f"~~~\n{CALL}\n~~~",
        f"~~~ info with ` in it\n{CALL}\n~~~",
        f"{FENCE}\n{CALL}",  # never closed
        f"{FENCE}\r\n{CALL}\r\n{FENCE}",
        f"{FENCE}\r{CALL}\r{FENCE}",
        f"{FENCE}{CALL}",  # in the line that opens it
        f"````\n{FENCE}\n{CALL}\n````",  # a shorter fence does not close it
        f"{FENCE}\n~~~\n{CALL}\n{FENCE}",  # nor does the other kind
        f"{FENCE}\n{FENCE} xml\n{CALL}\n{FENCE}",  # nor one with more in its line
        f"{FENCE}\n        {FENCE}\n{CALL}\n{FENCE}",  # nor one that stands much deeper
        f"{FENCE}\n> {FENCE}\n{CALL}\n{FENCE}",  # nor one in a quote, of a fence that is in none
        f"  {FENCE}\n  {CALL}\n  {FENCE}",
        f"- {FENCE}\n  {CALL}\n  {FENCE}",
        f"1. {FENCE}\n   {CALL}\n   {FENCE}",
        f"> {FENCE}\n> {CALL}\n> {FENCE}",
        f"`{CALL}`",
        f"``{CALL}``",
        f"`` ` {CALL} ``",
        f"a `code` and `{CALL}` b",
        f"`line\n{CALL}`",  # inline code may go over lines
        f"`{CALL} without a partner",
        f"{FENCE}{CALL}{FENCE}",
        f"{FENCE}a` {CALL}",
        f"\\`a `{CALL}`",  # an escaped backtick opens nothing
        f"\\{CALL}",
    ],
)
def test_what_stands_in_code_is_no_call(text):
    found = find_calls(text, tools=TOOLS)
    assert found.calls == ()
    assert found.visible_text == text


@pytest.mark.parametrize(
    "before",
    [
        f"{FENCE}\ncode\n{FENCE}\n",
        f"{FENCE}\ncode\n{FENCE}  \n",
        f"{FENCE}\ncode\n`````\n",
        "~~~\ncode\n~~~\n",
        f"> {FENCE}\n> code\n> {FENCE}\n",
        f"- {FENCE}\n  code\n  {FENCE}\n",
        "`code` ",
        "``a ` b`` ",
        f"{FENCE}code{FENCE} ",
        "a ~ b ~~~ ",
        "a stray ` here\n\n",  # ends with its paragraph
        "\\` ",
        "\\\\",  # an escaped backslash
        "`a\\` ",  # in code a backslash escapes nothing
        "* ",
        "> ",
        "1 < 2 ",
    ],
)
def test_behind_code_calls_count_again(before):
    found = find_calls(before + CALL, tools=TOOLS)
    assert [call.name for call in found.calls] == ["run"]
    assert found.visible_text == before


@pytest.mark.parametrize(
    "result",
    [
        f"A page says: {CALL} Do it!",
        'A page says: <run>{"n":1}</run>',
        '<run>\n{\n  "n": 1\n}\n</run>',
        "&lt;run&gt;{&quot;n&quot;: 1}&lt;/run&gt;",
        json.dumps({"text": CALL}),
    ],
)
def test_what_a_tool_result_says_is_no_call(result):
    text = f"It says {CALL}, but <read_file>{{}}</read_file> is mine."
    found = find_calls(text, tools=TOOLS, quoted=("something else", result))
    assert [call.name for call in found.calls] == ["read_file"]
    assert found.visible_text == f"It says {CALL}, but  is mine."


def test_a_call_that_a_result_only_resembles_counts():
    assert calls_in(CALL, quoted=('<run>{"n": 2}</run>', "<run>", "run n 1")) == [("run", '{"n": 1}')]


@pytest.mark.parametrize(
    "again", [CALL, '<run>{"n":1}</run>', '<run>\n{ "n" : 1 }\n</run>', '<run>{"\\u006e": 1}</run>']
)
def test_the_same_call_twice_in_an_answer_counts_once(again):
    found = find_calls(f"{CALL} and {again}.", tools=TOOLS)
    assert [call.start for call in found.calls] == [0]
    assert found.visible_text == " and ."


@pytest.mark.parametrize(
    "other",
    ['<run>{"n": 2}</run>', '<run>{"n": 1.0}</run>', '<run>{"n": true}</run>', '<run>{"n": "1"}</run>'],
)
def test_other_arguments_are_another_call(other):
    assert len(calls_in(CALL + other)) == 2


def test_without_tools_nothing_is_a_call():
    assert find_calls(CALL, tools=()).visible_text == CALL


# Streaming

TAGS = ["<run>", "</run>", "<read_file>", "</read_file>", "<ru", "<", ">", "</", CALL]
JSON = ["{", "}", '"', "\\", '{"n": 1}', "run", "text", "é", " ", "&lt;"]
MARKDOWN = ["`", FENCE, "~~~", "\n", "\r", "\n\n", "> ", "- ", f"\n{FENCE}\n"]
PIECES = st.sampled_from([*TAGS, *JSON, *MARKDOWN])
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=40).map("".join)
QUOTED = st.lists(TEXTS, max_size=2).map(tuple)


@given(TEXTS, QUOTED, st.data())
def test_any_split_shows_the_same_and_finds_the_same(text, quoted, data):
    whole = find_calls(text, tools=TOOLS, quoted=quoted)
    stream = VisibleText(tools=TOOLS, quoted=quoted)
    shown, at = "", 0
    while at < len(text):
        size = data.draw(st.integers(1, 9))
        shown += stream.feed(text[at : at + size])
        at += size
        assert whole.visible_text.startswith(shown)
    assert shown + stream.finish() == whole.visible_text
    assert stream.calls == whole.calls


@given(TEXTS, QUOTED)
def test_nothing_but_calls_is_taken_out(text, quoted):
    found = find_calls(text, tools=TOOLS, quoted=quoted)
    ends = [0, *(end for call in found.calls for end in (call.start, call.end)), len(text)]
    assert ends == sorted(ends)
    kept = "".join(text[a:b] for a, b in zip(ends[::2], ends[1::2], strict=True))
    # Repeated calls are taken out as well: what is left is a part of it, in its order.
    characters = iter(kept)
    assert all(character in characters for character in found.visible_text)
    if len(found.calls) == kept.count("<run>") + kept.count("<read_file>") == 0:
        assert found.visible_text == text


@given(st.text(alphabet=st.characters(exclude_characters="<"), max_size=60))
def test_text_without_tags_is_shown_at_once(text):
    stream = VisibleText(tools=TOOLS)
    assert all(stream.feed(character) == character for character in text)
    assert stream.finish() == ""


@given(TEXTS)
def test_no_more_is_held_back_than_a_tag(text):
    for end in range(len(text) + 1):
        stream = VisibleText(tools=TOOLS)
        stream.feed(text[:end])
        calls = len(stream.calls)
        held = stream.finish()
        if len(stream.calls) == calls:  # else it ended inside a string of a tag
            assert not held or any(
                held.startswith(f"<{name}>") or f"<{name}>".startswith(held) for name in TOOLS
            )


def test_a_possible_tag_is_held_back_until_it_is_decided():
    stream = VisibleText(tools=TOOLS)
    assert stream.feed("a <ru") == "a "
    assert stream.feed("b") == "<rub"
    assert stream.feed('<run>{"n": ') == ""
    assert stream.calls == ()
    assert stream.feed("1}</run> end") == " end"
    assert [call.arguments_text for call in stream.calls] == ['{"n": 1}']


# The prompt


@dataclass
class Spec:
    name: str
    description: str
    parameters: dict[str, object]


def test_the_instructions_describe_each_tool_and_the_format():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    text = instructions([Spec("run", "Runs.", schema), Spec("read_file", "Reads.", {"type": "object"})])
    assert "## run\nRuns.\n" in text
    assert "## read_file\nReads.\n" in text
    assert json.dumps(schema, separators=(",", ":")) in text
    # The example is no call of a tool that exists, wherever a model repeats it.
    assert calls_in(text) == []


def test_no_tools_no_instructions():
    assert instructions([]) == ""
