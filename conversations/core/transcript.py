"""The order in which a model reads what was said: a pure view of stored messages.

A conversation's messages are ordered by (turn, step) for people, with the answer at the end of its turn. A model has to
read them as they happened: a steering message stands between the model calls it came between.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import Any, Protocol


class Said(Protocol):
    """A stored message."""

    @property
    def id(self) -> str: ...
    @property
    def run_id(self) -> str | None: ...
    @property
    def turn(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def role(self) -> str: ...
    @property
    def content(self) -> str: ...
    @property
    def parts(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class SpokenCall:
    """A tool call as the model made it; `arguments` is what it wrote where that was no JSON object."""

    id: str
    provider_id: str
    name: str
    arguments: Mapping[str, Any] | str


@dataclass(frozen=True, slots=True)
class Spoken:
    """One thing said: by the user (with attachments, as stored parts), by the model, or by a tool (to `call_id`)."""

    role: str
    text: str
    attachments: Sequence[Mapping[str, Any]] = ()
    calls: Sequence[SpokenCall] = ()
    call_id: str | None = None


# A provider refuses a call without a result. One that ended without any (its run failed, say) gets this one.
NO_RESULT = "No result: the run ended before this call was carried out."


def complete_texts(parts: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """The text of each model call that counts; what was interrupted does not."""
    texts: dict[int, str] = {}
    for part in parts:
        if part["type"] == "text" and part["status"] == "complete":
            texts[part["call"]] = texts.get(part["call"], "") + part["text"]
    return texts


def calls_made(parts: Iterable[Mapping[str, Any]]) -> dict[int, list[SpokenCall]]:
    """The tool calls of each model call, in order."""
    made: dict[int, list[SpokenCall]] = {}
    for part in parts:
        if part["type"] == "tool":
            call = SpokenCall(part["id"], part["provider_call_id"], part["tool"], part["arguments"])
            made.setdefault(part["call"], []).append(call)
    return made


def last_call(parts: Iterable[Mapping[str, Any]]) -> int:
    """The last model call that is complete, by what it said or which tools it called; 0 before the first."""
    parts = list(parts)
    return max([*complete_texts(parts), *calls_made(parts), 0])


def calls_completed(parts: Iterable[Mapping[str, Any]]) -> int:
    """How many model calls are complete."""
    parts = list(parts)
    return len({*complete_texts(parts), *calls_made(parts)})


def in_order(messages: Iterable[Said], *, run_id: str, replaced: Collection[str]) -> Iterator[Spoken]:
    """What the model reads before it continues run `run_id`.

    `replaced` are the runs that this one retries: their questions stay where they are needed, their answers do not.
    A message whose run was cancelled before it began has no answer and is left out. So is what a moderator has hidden:
    an answer or a steering message alone, a question with all of its turn, which may repeat it. The run that is under
    way keeps its own question, of which a notice is left.
    """
    for (key, _), group in groupby(messages, key=lambda message: (message.run_id, message.turn)):
        said = list(group)
        is_answered = any(message.role == "assistant" for message in said)
        if key != run_id:
            said = _without_hidden(said)
        if key in replaced:
            yield from (Spoken("user", m.content, m.parts) for m in said if m.role == "user")
        elif key in (None, run_id) or is_answered:
            yield from _turn(said)


def _without_hidden(said: Sequence[Said]) -> list[Said]:
    if any(m.metadata.get("hidden") and m.role == "user" and m.step == 0 for m in said):
        return []
    # An answer that is hidden takes the results of its tools along: nobody has called them then.
    return [m for m in said if not m.metadata.get("hidden")]


def steers_seen(answer: Mapping[str, Any]) -> Mapping[str, int]:
    """From an answer's metadata: the first model call that each steering message was part of, by message id."""
    seen: Mapping[str, int] = answer.get("steers", {})
    return seen


def _turn(said: Sequence[Said]) -> Iterator[Spoken]:
    """One run: the question, its model calls with their tools, and between them what steered it; what no call has seen
    comes last."""
    seen: dict[str, int] = {}
    results: dict[str, str] = {}
    for message in said:
        seen |= steers_seen(message.metadata)
        if message.role == "tool":
            results[message.metadata.get("part_id", "")] = message.content
    places: list[tuple[float, Spoken]] = []
    for message in said:
        if message.role == "user":
            place = 0.0 if message.step == 0 else seen.get(message.id, inf) - 0.25
            places.append((place, Spoken("user", message.content, message.parts)))
        elif message.role == "assistant":
            places += _model_calls(message, results)
    yield from (
        spoken
        for _, spoken in sorted(places, key=lambda place: place[0])
        if spoken.text or spoken.attachments or spoken.calls or spoken.call_id
    )


def _model_calls(answer: Said, results: Mapping[str, str]) -> Iterator[tuple[float, Spoken]]:
    """(place, what was said): each model call, and half a step behind it the results of the tools it called."""
    texts, made = complete_texts(answer.parts), calls_made(answer.parts)
    if not texts and not made and answer.content:
        yield 1, Spoken("assistant", answer.content)
    for number in sorted({*texts, *made}):
        calls = made.get(number, [])
        yield number, Spoken("assistant", texts.get(number, ""), calls=calls)
        for call in calls:
            yield number + 0.5, Spoken("tool", results.get(call.id, NO_RESULT), call_id=call.id)
