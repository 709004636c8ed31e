"""When a conversation has outgrown its model's context window, a summary replaces its older turns, once a run."""

from collections.abc import Sequence
from contextlib import aclosing
from itertools import groupby

from conversations.core import context_budget
from conversations.core.token_estimate import message_tokens
from conversations.core.transcript import Spoken, in_order
from conversations.llm import registry
from conversations.llm.wire import ChatMessage, ModelRequest, TextDelta, Usage
from conversations.runner.history import History, StoredMessage
from conversations.runner.live_run import LiveRun

TASK = (
    "Summarise the conversation below for the assistant who will continue it. Keep facts, names, numbers, decisions, "
    "open questions and what the user wants; leave out pleasantries. Write plain text."
)
# Of one message, so much goes into the request for a summary.
MOST_CHARACTERS = 4_000
# Of a character of plain text, at least so many make a token with any usual tokenizer.
CHARACTERS_PER_TOKEN = 2


def turns_before(history: History, run: LiveRun) -> list[tuple[int, int]]:
    """(turn, estimated tokens) of the turns before the run's own, oldest first."""
    past = [message for message in history.messages if message.turn < run.turn and not _is_own(message, run)]
    return [
        (turn, sum(message_tokens([message.content]) for message in messages))
        for turn, messages in groupby(past, key=lambda message: message.turn)
    ]


def without_summarised(history: History, run: LiveRun, *, through: int, summary: str) -> History:
    kept = [message for message in history.messages if message.turn > through or _is_own(message, run)]
    return History(kept, summary, through)


def _is_own(message: StoredMessage, run: LiveRun) -> bool:
    return message.id == run.input_message_id or message.run_id == run.id


async def summarise(
    history: History, run: LiveRun, *, through: int, model: str, window: int
) -> tuple[str, Usage | None]:
    """A summary of the turns up to `through` (and of the summary before them); raises ModelFailure."""
    old = [message for message in history.messages if message.turn <= through and not _is_own(message, run)]
    text = _as_text(list(in_order(old, run_id=run.id, replaced=run.retried_ids)), history.summary)
    room = int(context_budget.room_for_prompt(window) * CHARACTERS_PER_TOKEN)
    request = ModelRequest(model, (ChatMessage("system", TASK), ChatMessage("user", text[-room:])))
    pieces, used = [], None
    async with aclosing(registry.client_for(model).stream(request)) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                pieces.append(event.text)
            elif isinstance(event, Usage):
                used = event
    return "".join(pieces).strip(), used


def _as_text(spoken: Sequence[Spoken], earlier_summary: str) -> str:
    lines = [f"Earlier summary: {earlier_summary}"] if earlier_summary else []
    for said in spoken:
        text = " ".join([said.text, *(f"[calls {call.name} {call.arguments}]" for call in said.calls)])
        text = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]} [cut]"
        lines.append(f"{said.role}: {text}")
    return "\n\n".join(lines)
