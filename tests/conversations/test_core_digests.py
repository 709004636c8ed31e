"""What an approval is for: another value anywhere is another digest, the same value written otherwise is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.core.digests import canonical, digest
from conversations.tools.base import Targets

FACTS = {
    "tool": "write_file",
    "definition_hash": "d1",
    "arguments": {"path": "a.txt", "content": "x"},
    "touched": Targets(writes=("a.txt",)),
    "root": "/srv/project",
    "sandbox": "bubblewrap",
    "run_id": "r1",
    "call_id": "c1",
}


def test_it_is_sha_256_and_the_same_each_time():
    assert digest(**FACTS) == digest(**FACTS)
    assert len(bytes.fromhex(digest(**FACTS))) == 32


@pytest.mark.parametrize(
    "change",
    [
        {"tool": "other"},
        {"definition_hash": "d2"},
        {"arguments": {"path": "a.txt", "content": "y"}},
        {"arguments": {"path": "a.txt", "content": "x", "more": None}},
        {"touched": Targets(writes=("b.txt",))},
        {"touched": Targets(deletes=("a.txt",))},
        {"touched": Targets(writes=("a.txt",), cwd="sub")},
        {"touched": Targets(writes=("a.txt",), network=True)},
        {"root": "/elsewhere"},
        {"sandbox": "landlock"},
        {"run_id": "r2"},
        {"call_id": "c2"},
    ],
    ids=str,
)
def test_every_fact_counts(change):
    assert digest(**FACTS | change) != digest(**FACTS)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (1.0, 1),
        (1e300, int("1" + "0" * 300)),  # as jsonb gives it back
        (-0.0, 0),
        ([1, (2,)], [1, [2]]),
    ],
)
def test_the_same_value(one, other):
    assert canonical(one) == canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [(1, "1"), (None, {}), ([], {}), (True, 1), (0.1, 0.10000001), (2**60, 2**60 + 1), ("é", "e\u0301")],
)
def test_another_value(one, other):
    assert canonical(one) != canonical(other)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(json_values)
def test_a_round_trip_changes_nothing(value):
    assert canonical(json.loads(json.dumps(value))) == canonical(value)
