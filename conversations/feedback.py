"""What people say about messages: one thumb each, changeable, reviewed in the admin."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from conversations.models import MessageFeedback
from conversations.transcripts import get_message
from penguin_site import audit
from penguin_site.errors import Conflict, Forbidden, InvalidField, NotFound

REVIEW_STATUSES = ("new", "in_review", "done")
REVIEW = "conversations.change_messagefeedback"
MOST_LABELS, LONGEST_LABEL, LONGEST_NOTE = 20, 40, 4000


class FeedbackNotFound(NotFound):
    """There is no such feedback: its conversation may have been deleted."""


class FeedbackChanged(Conflict):
    """Somebody has changed this feedback since you have opened it: look at it again."""

    code = "feedback_changed"


def rate_message(
    *, user_id: int, message_id: UUID, rating: str, comment: str, tags: list[str], now: datetime
) -> MessageFeedback:
    """Stores or replaces one's feedback on one's own message; what has changed is to be reviewed again."""
    message = get_message(owner_id=user_id, message_id=message_id)
    known = MessageFeedback.objects.filter(message_id=message.id, user_id=user_id).first()
    if known and (known.rating, known.comment, known.tags) == (rating, comment, tags):
        return known
    feedback = MessageFeedback(
        message_id=message.id,
        user_id=user_id,
        rating=rating,
        comment=comment,
        tags=tags,
        review_status="new",
        created_at=now,
        updated_at=now,
    )
    MessageFeedback.objects.bulk_create(
        [feedback],
        update_conflicts=True,
        unique_fields=["message", "user"],
        update_fields=["rating", "comment", "tags", "review_status", "updated_at"],
    )
    return MessageFeedback.objects.get(message_id=message.id, user_id=user_id)


def version_of(feedback: MessageFeedback) -> str:
    """Changes whenever its author or a reviewer changes it: who reviews says which one they have seen."""
    return f"{feedback.updated_at.isoformat()} {feedback.reviewed_at.isoformat() if feedback.reviewed_at else '-'}"


def review(
    *,
    feedback_id: int,
    seen: str,
    status: str,
    assignee: Any,
    labels: Sequence[str],
    note: str,
    by: Any,
    now: datetime,
    request: Any = None,
) -> MessageFeedback:
    """How far the review of one feedback has come, who does it, and what they think.

    `seen` is the version that the reviewer has looked at: of two who change it at once the second one is told.
    """
    if not by.has_perm(REVIEW):
        raise Forbidden("You may not review feedback: ask an administrator for the right.")
    labels = _checked(status, labels, note)
    with transaction.atomic():
        feedback = MessageFeedback.objects.select_for_update(of=("self",)).filter(pk=feedback_id).first()
        if feedback is None:
            raise FeedbackNotFound
        if version_of(feedback) != seen:
            raise FeedbackChanged
        before = _facts(feedback)
        feedback.review_status, feedback.assignee = status, assignee
        feedback.labels, feedback.note, feedback.reviewed_at = labels, note, now
        feedback.save(update_fields=["review_status", "assignee", "labels", "note", "reviewed_at"])
        audit.record(
            by, "feedback.reviewed", feedback, before=before, after=_facts(feedback), request=request
        )
    return feedback


def _checked(status: str, labels: Sequence[str], note: str) -> list[str]:
    if status not in REVIEW_STATUSES:
        raise InvalidField("status", f"this is one of {', '.join(REVIEW_STATUSES)}.")
    if len(note) > LONGEST_NOTE:
        raise InvalidField("note", f"at most {LONGEST_NOTE} characters.")
    found = list(dict.fromkeys(label.strip() for label in labels if label.strip()))
    if len(found) > MOST_LABELS or any(len(label) > LONGEST_LABEL for label in found):
        raise InvalidField("labels", f"at most {MOST_LABELS}, each of {LONGEST_LABEL} characters or fewer.")
    return found


def _facts(feedback: MessageFeedback) -> dict[str, Any]:
    return {
        "review_status": feedback.review_status,
        "assignee": feedback.assignee_id,
        "labels": feedback.labels,
        "note": feedback.note,
    }
