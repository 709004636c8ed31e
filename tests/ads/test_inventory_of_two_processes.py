"""What one process changes in the inventory, another one decides by soon after."""

import os
from pathlib import Path

import pytest
from django.db import connection

from ads.models import AdUnit
from ads.vectors import vectors_of
from tests.ads.factories import AdUnitFactory
from tests.processes import Program, eventually

_OTHER = """
import sys, time
import django
django.setup()
from ads import snapshot
from ads.core.tokens import Environment
while True:
    found = snapshot.current(Environment.LIVE)
    print(found.version, sorted(entry.unit.title for entry in found.entries), flush=True)
    time.sleep(0.1)
"""


@pytest.fixture
def other(transactional_db, tmp_path: Path):
    settings = connection.settings_dict
    host = f"{settings['HOST']}:{settings['PORT']}"
    url = f"postgresql://{settings['USER']}:{settings['PASSWORD']}@{host}/{settings['NAME']}"
    env = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
    program = Program("-c", _OTHER, log=tmp_path / "other.log", env=env)
    yield program
    program.process.kill()
    program.process.wait()


def _sees(other: Program, titles: list[str]) -> bool:
    assert other.process.poll() is None, other.output
    return other.output.rstrip().endswith(f" {sorted(titles)}")


def test_another_process_sees_new_changed_and_paused_ads(other):
    first = AdUnitFactory(title="First")
    vectors_of([first])  # so that the other process need not load the model
    eventually(lambda: _sees(other, ["First"]), seconds=60)
    second = AdUnitFactory(title="Second")
    vectors_of([second])
    eventually(lambda: _sees(other, ["First", "Second"]), seconds=30)
    AdUnit.objects.filter(pk=first.pk).update(is_paused=True)
    eventually(lambda: _sees(other, ["Second"]), seconds=30)
    versions = [int(line.split()[0]) for line in other.output.splitlines() if line[:1].isdigit()]
    assert versions == sorted(versions)
