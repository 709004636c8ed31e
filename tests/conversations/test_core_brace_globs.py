"""`{a,b}` in patterns of paths."""

import time

import pytest

from conversations.core.brace_globs import MOST_PATTERNS, InvalidGlob, spelled_out


@pytest.mark.parametrize(
    ("pattern", "patterns"),
    [
        ("*.py", ["*.py"]),
        ("*.{ts,tsx}", ["*.ts", "*.tsx"]),
        ("{a,b}/{c,d}", ["a/c", "b/c", "a/d", "b/d"]),
        ("{a,b{c,d}}", ["a", "bc", "bd"]),
        ("x{,.bak}", ["x", "x.bak"]),
        ("{a}", ["{a}"]),
        ("{}", ["{}"]),
        ("{a", ["{a"]),
        ("a}", ["a}"]),
        ("{a,{b", ["{a,{b"]),
        ("{{a,b},c", ["{a,c", "{b,c"]),
        ("{a,a}", ["a"]),
    ],
)
def test_braces_are_spelled_out(pattern, patterns):
    assert sorted(spelled_out(pattern)) == sorted(patterns)


def test_there_is_a_limit():
    assert len(spelled_out("{a,b}" * 6)) == MOST_PATTERNS
    began = time.monotonic()
    for pattern in ("{a,b}" * 50, "{" * 200 + ",", "{a," * 100 + "}" * 100):
        try:
            spelled_out(pattern)
        except InvalidGlob:
            pass
    assert time.monotonic() - began < 20
