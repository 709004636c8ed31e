"""What is of no use any more: used-up and expired ways in, stored answers, idle rate buckets."""

from datetime import datetime, timedelta

from django.contrib.sessions.models import Session

from penguin_site.idempotency import KEPT_HOURS
from penguin_site.models import LoginLink, RateBucket, StoredAnswer, Ticket

# Every bucket is full again after its period; the longest one is a day.
BUCKET_IDLE_DAYS = 2


def forget_expired(*, now: datetime) -> int:
    """Deletes what has expired; how many rows. Nothing that still counts depends on when this happens."""
    expired = [
        Ticket.objects.filter(expires_at__lt=now),
        LoginLink.objects.filter(expires_at__lt=now),
        StoredAnswer.objects.filter(created_at__lt=now - timedelta(hours=KEPT_HOURS)),
        RateBucket.objects.filter(refilled_at__lt=now - timedelta(days=BUCKET_IDLE_DAYS)),
        Session.objects.filter(expire_date__lt=now),
    ]
    return sum(rows.delete()[0] for rows in expired)
