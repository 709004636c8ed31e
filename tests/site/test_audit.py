"""The audit chain: complete, in order, and not to be changed unseen."""

import threading

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, connections, transaction

from penguin_site import audit
from penguin_site.core.audit_chain import GENESIS
from penguin_site.models import AuditEntry

pytestmark = pytest.mark.django_db


def fill(person) -> None:
    for number in range(5):
        audit.record(
            person, "thing.changed", f"thing:{number}", {"n": number, "x": 0.1}, {"n": None, "ä": [1, True]}
        )


def tamper(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_entry DISABLE TRIGGER audit_entry_append_only")
        cursor.execute(sql)
        cursor.execute("ALTER TABLE audit_entry ENABLE TRIGGER audit_entry_append_only")


def test_each_row_carries_the_hash_of_the_one_before(person, capsys):
    fill(person)
    rows = list(AuditEntry.objects.order_by("id"))
    assert bytes(rows[0].previous_hash) == GENESIS
    assert [bytes(row.previous_hash) for row in rows[1:]] == [bytes(row.hash) for row in rows[:-1]]
    call_command("verify_audit")
    assert f"5 entries, last hash {bytes(rows[-1].hash).hex()}" in capsys.readouterr().out


def test_an_empty_chain_holds(capsys):
    call_command("verify_audit")
    assert "0 entries" in capsys.readouterr().out


@pytest.mark.parametrize("change", ["UPDATE audit_entry SET action = 'x'", "DELETE FROM audit_entry"])
def test_rows_can_neither_be_changed_nor_deleted(change, person):
    fill(person)
    with pytest.raises(IntegrityError, match="only ever added"), transaction.atomic():
        connection.cursor().execute(change)
    assert AuditEntry.objects.filter(action="thing.changed").count() == 5


@pytest.mark.parametrize(
    ("sql", "broken"),
    [
        ("UPDATE audit_entry SET after = '{\"n\": 9}' WHERE object = 'thing:2'", "thing:2"),
        ("UPDATE audit_entry SET actor = 'somebody' WHERE object = 'thing:0'", "thing:0"),
        (
            "UPDATE audit_entry SET recorded_at = recorded_at + interval '1 second' WHERE object = 'thing:4'",
            "thing:4",
        ),
        ("DELETE FROM audit_entry WHERE object = 'thing:1'", "thing:2"),
        ("DELETE FROM audit_entry WHERE object = 'thing:0'", "thing:1"),
    ],
)
def test_verify_names_the_first_row_that_does_not_follow(sql, broken, person):
    fill(person)
    tamper(sql)
    entry, _ = audit.first_broken_entry()
    assert entry.object == broken
    with pytest.raises(CommandError, match=f"broken at entry {entry.pk}"):
        call_command("verify_audit")


def test_a_row_says_who_from_where_in_which_request(rf, person):
    request = rf.get("/", REMOTE_ADDR="203.0.113.9")
    entry = audit.record(person, "policy.changed", person, request=request)
    entry.refresh_from_db()
    assert (entry.actor_id, entry.actor) == (person.pk, person.username)
    assert entry.object == f"penguin_site.user:{person.pk}"
    assert len(entry.address_hash) == 64
    assert "203.0.113.9" not in str(vars(entry))
    assert entry.request_id


def test_a_row_goes_with_the_change_it_tells_of(person):
    with pytest.raises(RuntimeError), transaction.atomic():
        audit.record(None, "thing.changed", "thing:1")
        raise RuntimeError
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_many_writers_make_one_chain(person):
    def write():
        try:
            fill(person)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert audit.first_broken_entry() == (None, 30)
