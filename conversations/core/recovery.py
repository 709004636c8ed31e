"""What becomes of a run whose worker was lost. Pure: the reaper looks up the facts and carries out the verdict."""

from dataclasses import dataclass
from enum import Enum

from conversations.core.run_states import RunStatus

# A run survives two lost workers; the third loss, or a second one in the same step, ends it: it may be what kills them.
MOST_LOSSES = 2
MOST_STEP_LOSSES = 1
# Losses before a step began are not charged. So many of them in a row are no accident either.
MOST_ATTEMPTS = 25


class Verdict(Enum):
    CANCEL = "cancel"  # a cancel was asked and nobody is left who could confirm it
    REQUEUE = "requeue"  # nothing had begun
    REPEAT_STEP = "repeat_step"  # the open part is closed as interrupted, the model call is made again
    FAIL = "fail"  # worker_lost_repeatedly


@dataclass(frozen=True, slots=True)
class LostRun:
    status: RunStatus
    attempt: int
    step_started: bool
    losses: int
    step_losses: int


def judge(run: LostRun) -> Verdict:
    """What to do with a run whose lease expired."""
    if run.status == RunStatus.CANCELLING:
        return Verdict.CANCEL
    if run.attempt >= MOST_ATTEMPTS:
        return Verdict.FAIL
    if not run.step_started:
        return Verdict.REQUEUE
    if run.losses >= MOST_LOSSES or run.step_losses >= MOST_STEP_LOSSES:
        return Verdict.FAIL
    return Verdict.REPEAT_STEP
