"""Pages become text: what readers see, in order, and in time linear to the page whatever it holds."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core.readable_html import readable_text

URL = "https://example.com/a/page"


@pytest.mark.parametrize(
    "page, text",
    [
        ("", ""),
        ("plain &amp; simple", "plain & simple"),
        ("<h2>Title</h2><p>One\n  two</p><p>three</p>", "## Title\n\nOne two\n\nthree"),
        ("<title>A &lt; B</title><p>x", "# A < B\n\nx"),
        ("<ul><li>a<li>b</ul>", "- a\n- b"),
        ("<table><tr><th>k<th>v</tr><tr><td>1</td><td>2</td></tr></table>", "k | v\n1 | 2"),
        ('<a href="../x?a=1&amp;b=2">link</a>', "[link](https://example.com/x?a=1&b=2)"),
        ('<a href="javascript:alert(1)">no</a> <a href="#top">up</a> <a>none</a>', "no up none"),
        ("<pre>  two\n    four</pre>", "```\n  two\n    four\n```"),
        ("a<br>b<hr>c", "a\nb---\nc"),
        ('<img src="x" alt="a cat">', "[image: a cat]"),
        ("<p>1 < 2 and 3 > 2</p>", "1 < 2 and 3 > 2"),
        ("a<!-- <p>not</p> -->b<!doctype html><?php x ?>c", "abc"),
        ("a<script>if (a < b) '</p>'; </SCRIPT>b<style>p {}</style>c", "abc"),
        ("a<noscript>x<p>y</p></noscript>b<svg><path/></svg>c<svg viewBox='1'/>d", "abcd"),
        ('a<div hidden>x<div>y</div>z</div>b<span style="DISPLAY: none">w</span>c', "abc"),
        ("<P CLASS='x > y'>up</P>", "up"),
        ('<p title="a < b">up</p>', '< b">up'),  # rare, and the price of one pass
        ("<p>open <b>bold", "open bold"),
        ("a</nothing></p>b", "a\n\nb"),
        ("<script>never closed <p>x</p>", ""),
        ("text <a", "text"),
        ("&#0;&#xD800;&nosuch;", "\ufffd\ufffd&nosuch;"),
    ],
)
def test_text_of_pages(page, text):
    assert readable_text(page, url=URL) == text


MARKUP = ["<", ">", "<a ", "</a>", "<!--", "-->", '"', "'", "<script>", "</script>", "<pre>", "&", "x", " "]


@given(st.lists(st.sampled_from(MARKUP)).map("".join))
def test_any_markup_has_a_text(page):
    assert isinstance(readable_text(page, url=URL), str)


UNITS = [
    '<a "',
    "<",
    "<!--",
    '<a b="',
    "<a '\"'",
    "<script>",
    "<p>",
    "&",
    "<svg>",
    "</script",
    "<x a",
    "&#",
    "<title>",
]


@pytest.mark.parametrize("unit", UNITS)
def test_ten_times_the_page_takes_no_hundred_times_as_long(unit):
    """The pages on which Python's own parser takes minutes."""

    def seconds(size: int) -> float:
        began = time.process_time()
        readable_text(unit * (size // len(unit)))
        return time.process_time() - began

    small = min(seconds(20_000) for _ in range(3))
    assert min(seconds(200_000) for _ in range(2)) < 40 * small + 0.05
