"""What an agent is told: its task with everything it has to know, and a word when it stopped without an end."""

from collections.abc import Sequence
from dataclasses import dataclass

# Of the result of a task it depends on, so much is quoted.
MOST_OF_A_RESULT = 4_000

REMINDER = (
    "You stopped without calling finish_task. When the task is done, call finish_task with a summary and the status "
    "done. When some of it is left, go on working. When you cannot go on, call it with partial or blocked and say what "
    "is missing."
)
_HOW_TO_END = (
    "Work on this task until it is done, without waiting for further instructions. Use ask_user only for what you "
    "cannot find out. End with finish_task: the summary is what the user reads."
)


@dataclass(frozen=True, slots=True)
class Brief:
    """A task as its agent is told of it."""

    title: str
    description: str = ""
    project: str = ""
    criteria: Sequence[str] = ()
    needed: Sequence[tuple[str, str]] = ()  # title and result of the tasks it depends on
    feedback: str = ""
    earlier_result: str = ""
    subtask_of: str = ""
    with_tools: bool = True


def task_text(brief: Brief) -> str:
    """The message that begins a task."""
    parts = [f"Task: {brief.title}"]
    if brief.project:
        parts.append(f"Project: {brief.project}")
    if brief.subtask_of:
        parts.append(f"Part of: {brief.subtask_of}")
    if brief.description:
        parts.append(brief.description)
    if brief.criteria:
        parts.append("It is done when:\n" + "\n".join(f"- {criterion}" for criterion in brief.criteria))
    if brief.needed:
        results = [f"## {title}\n{_cut(result) or '(no result was noted)'}" for title, result in brief.needed]
        parts.append("Results of the tasks it builds on:\n" + "\n\n".join(results))
    if brief.feedback:
        if brief.earlier_result:
            parts.append(f"It was worked on before, with this result:\n{_cut(brief.earlier_result)}")
        parts.append(f"It was sent back with this feedback, which comes first:\n{brief.feedback}")
    if brief.with_tools:
        parts.append(_HOW_TO_END)
    return "\n\n".join(parts)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_OF_A_RESULT else f"{text[:MOST_OF_A_RESULT].rstrip()} […]"
