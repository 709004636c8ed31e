"""What a model is sent of a conversation with tools: always well paired, whatever is stored and whatever is missing."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from conversations.core.transcript import NO_RESULT, calls_completed, in_order, last_call
from conversations.runner.prompt import _as_text, _native
from tests.model_server import pairing_problem


@dataclass(frozen=True)
class Stored:
    id: str
    run_id: str | None
    turn: int
    step: int
    role: str
    content: str = ""
    parts: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)


def tool_part(call_id: str, call: int, *, provider_id: str = "", arguments: Any = None) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "tool",
        "call": call,
        "tool": "read_file",
        "arguments": {"path": "a"} if arguments is None else arguments,
        "provider_call_id": provider_id or call_id,
        "status": "complete",
    }


def text_part(text: str, call: int, status: str = "complete") -> dict[str, Any]:
    return {"id": f"t{call}", "type": "text", "call": call, "text": text, "status": status}


def result(part_id: str, text: str, *, turn: int = 1, run_id: str = "r", step: int = 10_000) -> Stored:
    return Stored(f"m-{part_id}", run_id, turn, step, "tool", text, metadata={"part_id": part_id})


def wire(messages: list[Stored]) -> list[dict[str, Any]]:
    """As the chat-completions wire has it, as far as pairing goes."""
    found = []
    for message in _native(list(in_order(messages, run_id="r", replaced=())), {}, vision=False):
        entry: dict[str, Any] = {"role": message.role, "content": message.content}
        if message.tool_calls:
            entry["tool_calls"] = [{"id": call.id} for call in message.tool_calls]
        if message.tool_call_id:
            entry["tool_call_id"] = message.tool_call_id
        found.append(entry)
    return found


def test_a_run_with_tools_is_read_as_it_happened() -> None:
    answer = Stored(
        "a",
        "r",
        1,
        30_000,
        "assistant",
        parts=[
            text_part("I look.", 1),
            tool_part("c1", 1),
            tool_part("c2", 1),
            text_part("half", 2, "interrupted"),
            text_part("Done.", 3),
        ],
        metadata={"steers": {"s": 3}},
    )
    said = [
        Stored("q", "r", 1, 0, "user", "Look"),
        Stored("s", "r", 1, 1, "user", "and hurry"),
        result("c2", "second", step=10_001),
        result("c1", "first"),
        answer,
    ]
    assert [(m["role"], m["content"]) for m in wire(said)] == [
        ("user", "Look"),
        ("assistant", "I look."),
        ("tool", "first"),
        ("tool", "second"),
        ("user", "and hurry"),
        ("assistant", "Done."),
    ]
    assert (calls_completed(answer.parts), last_call(answer.parts)) == (2, 3)


def test_a_call_without_a_result_gets_one_that_says_so() -> None:
    said = [
        Stored("q", "r", 1, 0, "user", "Look"),
        Stored("a", "r", 1, 30_000, "assistant", parts=[tool_part("c", 1)]),
    ]
    assert wire(said)[-1]["content"] == NO_RESULT


def test_unreadable_arguments_are_sent_as_json() -> None:
    said = [
        Stored("q", "r", 1, 0, "user", "Look"),
        Stored("a", "r", 1, 30_000, "assistant", parts=[tool_part("c", 1, arguments="{broken")]),
    ]
    spoken = list(in_order(said, run_id="r", replaced=()))
    (call,) = list(_native(spoken, {}, vision=False))[1].tool_calls
    assert call.arguments == '{"unreadable":"{broken"}'
    assert "<read_file>{broken</read_file>" in list(_as_text(spoken, {}, vision=False))[1].content


@given(st.data())
def test_whatever_is_stored_is_sent_well_paired(data: st.DataObject) -> None:
    """Turns with calls of which some have no result, results without a call, provider ids that come again."""
    messages: list[Stored] = []
    for turn in range(1, data.draw(st.integers(1, 4)) + 1):
        run_id = data.draw(st.sampled_from(["r", f"run{turn}", None]))
        messages.append(Stored(f"q{turn}", run_id, turn, 0, "user", "Look"))
        parts: list[dict[str, Any]] = []
        for call in range(1, data.draw(st.integers(0, 3)) + 1):
            if data.draw(st.booleans()):
                parts.append(text_part("text", call, data.draw(st.sampled_from(["complete", "interrupted"]))))
            for place in range(data.draw(st.integers(0, 3))):
                parts.append(
                    tool_part(
                        f"c{turn}.{call}.{place}",
                        call,
                        provider_id=data.draw(st.sampled_from(["", "call_0", "call_1"])),
                    )
                )
        for number, part in enumerate([part for part in parts if part["type"] == "tool"]):
            if data.draw(st.booleans()):
                messages.append(result(part["id"], "said", turn=turn, run_id=run_id, step=10_000 + number))
        if data.draw(st.booleans()):
            messages.append(result("nobody's", "lost", turn=turn, run_id=run_id, step=20_000))
        if data.draw(st.booleans()):
            messages.append(Stored(f"a{turn}", run_id, turn, 30_000, "assistant", parts=parts))
    assert pairing_problem(wire(messages)) == ""


def test_what_is_hidden_is_left_out() -> None:
    def turn(
        number: int, *, run_id: str = "old", question: bool = False, steer: bool = False, answer: bool = False
    ):
        """One turn; what is True is hidden."""

        def metadata(hidden: bool, **more: Any) -> dict[str, Any]:
            return {"hidden": True, **more} if hidden else more

        run_id = f"{run_id}{number}"
        return [
            Stored(
                f"q{number}", run_id, number, 0, "user", f"question {number}", metadata=metadata(question)
            ),
            Stored(f"s{number}", run_id, number, 1, "user", f"steer {number}", metadata=metadata(steer)),
            result(f"c{number}", f"result {number}", turn=number, run_id=run_id),
            Stored(
                f"a{number}",
                run_id,
                number,
                30_000,
                "assistant",
                f"answer {number}",
                [tool_part(f"c{number}", 1), text_part(f"answer {number}", 2)],
                metadata(answer, steers={f"s{number}": 2}),
            ),
        ]

    now = Stored("q9", "r", 9, 0, "user", "[hidden]", metadata={"hidden": True})
    messages = [*turn(1, question=True), *turn(2, answer=True), *turn(3, steer=True), *turn(4), now]
    said = [spoken.text for spoken in in_order(messages, run_id="r", replaced=()) if spoken.text]
    assert said == [
        "question 2",
        "steer 2",
        "question 3",
        "result 3",
        "answer 3",
        "question 4",
        "result 4",
        "steer 4",
        "answer 4",
        "[hidden]",  # of the run that is under way the notice stays
    ]
    assert pairing_problem(wire(messages)) == ""
