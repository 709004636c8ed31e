"""Decisions and answers over the chat socket: the same frames, scopes and effects as over REST."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.utils import timezone
from rest_framework.serializers import Serializer, ValidationError

from conversations import answers, decisions, questions
from conversations.api.approval_shapes import AnswerInput, ApproveInput, DenyInput
from conversations.api.scopes import require
from conversations.approvals import approval_shape
from conversations.core.chat_frames import Frame, frame
from conversations.decisions import Approve, Deny
from conversations.questions import question_shape
from penguin_site.errors import InvalidField

DECIDE = "approvals:decide"
TYPES = ("approve", "deny", "answer")


@dataclass(frozen=True, slots=True)
class Decide:
    approval_id: UUID
    choice: Approve | Deny

    def named(self) -> dict[str, str]:
        return {"approval_id": str(self.approval_id)}


@dataclass(frozen=True, slots=True)
class Answer:
    question_id: UUID
    answer: str

    def named(self) -> dict[str, str]:
        return {"question_id": str(self.question_id)}


@dataclass(frozen=True, slots=True)
class Done:
    """What was decided: the frame that tells of it, for a socket that does not follow the conversation."""

    conversation_id: int
    frame: Frame


def parse_decision(frame: dict[str, Any]) -> Decide | Answer:
    """The frame of one of TYPES; InvalidField for what is wrong with it."""
    match frame["type"]:
        case "approve":
            return Decide(_id(frame, "approval_id"), Approve(**_fields(ApproveInput, frame)))
        case "deny":
            return Decide(_id(frame, "approval_id"), Deny(**_fields(DenyInput, frame)))
        case _:
            return Answer(_id(frame, "question_id"), _fields(AnswerInput, frame)["answer"])


def carry_out(wish: Decide | Answer, *, principal: Any) -> Done:
    """Decides or answers; raises what the REST route would answer with."""
    user = get_user_model().objects.get(pk=principal.user_id)
    now = timezone.now()
    if isinstance(wish, Decide):
        require(principal, DECIDE)
        approval = decisions.decide(wish.approval_id, wish.choice, user=user, now=now)
        shape = approval_shape(approval)
        return Done(
            approval.conversation_id, frame("approval", **_place(shape), phase="decided", approval=shape)
        )
    question = questions.find_question(wish.question_id, owner_id=user.pk)
    require(principal, answers.scope_of(question))
    question = answers.answer_question(question, wish.answer, user=user, now=now)
    shape = question_shape(question)
    return Done(
        question.conversation_id, frame("question", **_place(shape), phase="answered", question=shape)
    )


def _place(shape: dict[str, Any]) -> dict[str, Any]:
    return {"session_id": shape["session_id"], "run_id": shape["run_id"]}


def _id(frame: dict[str, Any], name: str) -> UUID:
    try:
        return UUID(frame.get(name))
    except (AttributeError, TypeError, ValueError):
        raise InvalidField(name, "this is not the id of one.") from None


def _fields(kind: type[Serializer], frame: dict[str, Any]) -> dict[str, Any]:
    data = kind(data=frame)
    try:
        data.is_valid(raise_exception=True)
    except ValidationError as error:
        name, problems = next(iter(error.detail.items()))
        while isinstance(problems, dict | list) and problems:
            problems = next(iter(problems.values())) if isinstance(problems, dict) else problems[0]
        raise InvalidField(str(name), str(problems)) from None
    return dict(data.validated_data)
