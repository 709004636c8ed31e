"""Fixtures that more than one folder of tests uses."""

import os
from pathlib import Path

import pytest
from django.db import close_old_connections, connections

from penguin_site import health, metrics, principals, rate_limits
from penguin_site.staff import figures
from tests.stack import migrated_template

# Files are handed out in this order, so that no process is left alone with a long one: those that start servers and
# wait for them come first, those of many short tests last.
FOLDERS = ("e2e", "sdk", "site", "conversations", "ads", "tasks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    place = {folder: number for number, folder in enumerate(FOLDERS)}
    items.sort(key=lambda item: place.get(item.path.relative_to(here).parts[0], len(FOLDERS)))


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Test databases are copies of one that is migrated already, as those of the stacks are."""
    template = migrated_template(os.environ["DATABASE_URL"])
    connections["default"].settings_dict["TEST"]["TEMPLATE"] = template


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch) -> None:
    """What a process remembers for some seconds would otherwise reach the next test, whose database is another.

    Within a test it does not matter how long that takes: tests that count statements may be slow.
    """
    for name in ("NOW_SECONDS", "DAYS_SECONDS"):
        monkeypatch.setattr(figures, name, 3600.0)
    principals.remembered.clear()
    health.forget()
    rate_limits.leases.forget()
    metrics.database.forget()
    figures.forget()


@pytest.fixture(autouse=True)
def _threads_give_connections_back(monkeypatch) -> None:
    """As in real life: Channels' test client would keep them, and they would be open when the database is dropped."""
    monkeypatch.setattr("channels.testing.application.no_op", close_old_connections)
