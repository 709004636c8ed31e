"""Fixtures that more than one folder of tests uses."""

import pytest
from django.db import close_old_connections

from penguin_site import health, metrics, principals, rate_limits
from penguin_site.staff import figures


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """What a process remembers for some seconds would otherwise reach the next test, whose database is another."""
    principals.remembered.clear()
    health.forget()
    rate_limits.leases.forget()
    metrics.database.forget()
    figures.forget()


@pytest.fixture(autouse=True)
def _threads_give_connections_back(monkeypatch) -> None:
    """As in real life: Channels' test client would keep them, and they would be open when the database is dropped."""
    monkeypatch.setattr("channels.testing.application.no_op", close_old_connections)
