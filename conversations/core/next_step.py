"""What a run does next: a function of what is stored about it, so that any worker can go on where one was lost."""

from dataclasses import dataclass
from enum import Enum

# An agent may ask the model so often in one run, unless the message says otherwise.
DEFAULT_MAX_ITERATIONS = 50


class Step(Enum):
    CALL_MODEL = "call_model"
    RUN_TOOLS = "run_tools"
    ASK_PERSON = "ask_person"  # the agent goes in circles
    FINISH = "finish"
    STOP_AT_LIMIT = "stop_at_limit"  # max_iterations model calls were made


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, by what is stored of it."""

    calls_completed: int = 0
    # Inputs (the message, steering messages) that the model has not seen: a run is not done while there is one.
    unseen_inputs: int = 1
    unseen_results: bool = (
        False  # the last model call called tools, and no model call has seen what they gave
    )
    open_calls: int = 0  # tool calls without an outcome
    finished: bool = False  # the model has said that it is done
    in_circles: bool = False
    max_iterations: int = DEFAULT_MAX_ITERATIONS


def next_step(progress: Progress) -> Step:
    if progress.open_calls:
        return Step.RUN_TOOLS
    if not progress.unseen_inputs and (progress.finished or not progress.unseen_results):
        return Step.FINISH
    if progress.calls_completed >= progress.max_iterations:
        return Step.STOP_AT_LIMIT
    if progress.in_circles and not progress.unseen_inputs:
        return Step.ASK_PERSON
    return Step.CALL_MODEL
