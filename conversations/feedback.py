"""What people say about messages: one thumb each, changeable, reviewed in the admin."""

from datetime import datetime
from uuid import UUID

from conversations.models import MessageFeedback
from conversations.transcripts import get_message

REVIEW_STATUSES = ("new", "in_review", "done")


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


def review(*, feedback_id: int, status: str) -> None:
    """How far the review of one feedback has come; its author's time of writing stays."""
    MessageFeedback.objects.filter(pk=feedback_id).update(review_status=status)
