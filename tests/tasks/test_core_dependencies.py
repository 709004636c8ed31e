"""Cycles among dependencies are found, and only cycles."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.core.dependencies import find_cycle

TASKS = st.integers(0, 7)
GRAPHS = st.dictionaries(TASKS, st.lists(TASKS, max_size=5), max_size=8)


@pytest.mark.parametrize(
    ("depends_on", "cycle"),
    [
        ({}, None),
        ({"a": ["b"], "b": ["c"]}, None),
        ({"a": ["a"]}, ["a", "a"]),
        ({"a": ["b"], "b": ["a"]}, ["a", "b", "a"]),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, ["a", "b", "c", "a"]),
        ({"a": ["b", "c"], "b": ["d"], "c": ["d"]}, None),  # two ways to one task are no cycle
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, None),  # a cycle, but not through a
        ({"a": ["b", "c"], "b": ["d"], "d": ["a"], "c": ["a"]}, ["a", "c", "a"]),  # the shortest of two
    ],
)
def test_known_graphs(depends_on, cycle):
    assert find_cycle(depends_on, "a") == cycle


def reachable(graph: dict[int, list[int]], start: int) -> set[int]:
    """By repeated widening: another way than the one that is tested."""
    found = set(graph.get(start, []))
    while (wider := found | {needed for task in found for needed in graph.get(task, [])}) != found:
        found = wider
    return found


@given(GRAPHS, TASKS)
def test_a_cycle_is_found_exactly_when_the_task_can_be_reached_from_itself(graph, start):
    cycle = find_cycle(graph, start)
    assert (cycle is not None) == (start in reachable(graph, start))
    if cycle is not None:
        assert cycle[0] == cycle[-1] == start
        assert all(needed in graph[task] for task, needed in pairwise(cycle))
        assert len(set(cycle)) == len(cycle) - 1


@given(st.lists(st.tuples(TASKS, TASKS), max_size=30))
def test_a_graph_to_which_only_edges_without_a_cycle_are_added_has_an_order(edges):
    """What the server does edge by edge: afterwards the tasks can be done one after the other."""
    graph: dict[int, list[int]] = {}
    for task, needed in edges:
        if find_cycle({**graph, task: [*graph.get(task, []), needed]}, task) is None:
            graph.setdefault(task, []).append(needed)
    done: set[int] = set()
    left = set(range(8))
    while left:
        ready = {task for task in left if done.issuperset(graph.get(task, []))}
        assert ready
        done |= ready
        left -= ready


def test_long_chains_are_walked_without_recursion():
    chain = {number: [number + 1] for number in range(20_000)}
    assert find_cycle(chain, 0) is None
    assert len(find_cycle({**chain, 20_000: [0]}, 0)) == 20_002
