"""Texts stand in the index once, for all units that have them, however many store and delete them at the same time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from django.db import connection, connections, transaction

from ads import vectors
from ads.models import AdUnit
from penguin_site.embeddings import DIMENSIONS
from tests.ads.factories import AdUnitFactory
from tests.processes import eventually

pytestmark = pytest.mark.django_db(transaction=True)
_NEGATIVE = np.zeros((0, DIMENSIONS), np.float32)


def store(*units: AdUnit, numbers: tuple[int, ...] = (1, 2)) -> None:
    """As if each of these units had these texts."""
    positive = np.eye(DIMENSIONS, dtype=np.float32)[list(numbers)]
    vectors.store([(unit, positive, _NEGATIVE) for unit in units])


def one(statement: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def texts() -> int:
    return one("SELECT count(*) FROM ad_text")


def found() -> int:
    """Texts of units that a search would find."""
    return one("SELECT count(*) FROM ad_text JOIN ad_text_of_unit USING (digest)")


@pytest.fixture(autouse=True)
def no_texts():
    """They have no model, so no test's end empties their tables."""
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE ad_text, ad_text_of_unit")


@pytest.fixture
def other() -> Iterator[ThreadPoolExecutor]:
    """Another session, as of another process."""
    with ThreadPoolExecutor(1) as pool:
        yield pool
        pool.submit(connections.close_all)


def somebody_waits() -> bool:
    return bool(one("SELECT count(*) FROM pg_locks WHERE NOT granted"))


def test_a_text_stands_once_for_all_units():
    store(*AdUnitFactory.create_batch(3))
    store(AdUnitFactory(), numbers=(2, 3))
    assert (texts(), found()) == (3, 8)


def test_what_a_unit_had_before_is_replaced():
    unit = AdUnitFactory()
    store(unit)
    store(unit, numbers=(2, 3, 4))
    assert (texts(), found()) == (4, 3)
    assert (vectors.forget_unused(most=10), texts(), found()) == (1, 3, 3)


def test_texts_go_with_the_last_unit_that_has_them():
    first, second = AdUnitFactory.create_batch(2)
    store(first, second)
    first.delete()
    assert (vectors.forget_unused(most=10), found()) == (0, 2)
    second.delete()
    assert (vectors.forget_unused(most=1), vectors.forget_unused(most=10), texts()) == (1, 1, 0)


def test_two_processes_compute_the_same_units_at_once(other):
    units = AdUnitFactory.create_batch(3)
    with transaction.atomic():
        store(*units)
        late = other.submit(store, *reversed(units))
        eventually(somebody_waits)
    late.result(timeout=30)
    assert (texts(), found()) == (2, 6)


def test_a_text_that_comes_back_while_it_is_unused_stays(other):
    first, second = AdUnitFactory.create_batch(2)
    store(first)
    first.delete()
    with transaction.atomic():
        store(second)
        assert other.submit(vectors.forget_unused, most=10).result(timeout=30) == 0
    assert (texts(), found()) == (2, 2)


def test_a_text_that_comes_back_while_it_is_deleted_is_stored_anew(other):
    first, second = AdUnitFactory.create_batch(2)
    store(first)
    first.delete()
    with transaction.atomic():
        assert vectors.forget_unused(most=10) == 2
        late = other.submit(store, second)
        eventually(somebody_waits)
    late.result(timeout=30)
    assert (texts(), found()) == (2, 2)
