"""What has expired goes, what counts stays."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from penguin_site import retention
from penguin_site.core.rate_limits import Limit
from penguin_site.login import make_login_link
from penguin_site.models import LoginLink, RateBucket, StoredAnswer, Ticket
from penguin_site.rate_limits import take


@pytest.mark.django_db
def test_what_has_expired_goes_and_what_counts_stays(person, client_for):
    now = timezone.now()
    Client().force_login(person)
    make_login_link()
    make_login_link(until_restart=True)
    client_for(person).generic("POST", "/api/v1/auth/ticket")
    take("k", Limit(1, 1, 1))
    StoredAnswer.objects.create(user=person, route="r", key="k", body_hash=b"")
    assert retention.forget_expired(now=now) == 0
    assert retention.forget_expired(now=now + timedelta(minutes=16)) == 2  # ticket and link
    assert retention.forget_expired(now=now + timedelta(hours=25)) == 1
    retention.forget_expired(now=now + timedelta(days=30))
    assert not Ticket.objects.exists()
    assert not RateBucket.objects.exists()
    assert LoginLink.objects.get().is_banners
