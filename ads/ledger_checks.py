"""Looks at all invariants, of money and of recorded auctions, and keeps what was found, so that pages open at once."""

import time
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from ads import auction_health
from ads.ledger_health import ledger_health
from ads.models import LedgerCheck
from penguin_site import audit

_LOCK = 0x61646C63


def check(*, now: datetime, actor: Any = None, request: Any = None) -> LedgerCheck | None:
    """Looks now; None when somebody else is looking at this moment: it reads whole tables."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_LOCK])
            if not cursor.fetchone()[0]:
                return None
        began = time.monotonic()
        findings = [*ledger_health(), *auction_health.look(now=now)]
        findings.sort(key=lambda finding: _order(finding.code))
        made = LedgerCheck.objects.create(
            checked_at=now,
            took_ms=round((time.monotonic() - began) * 1000),
            is_ok=all(finding.is_ok for finding in findings),
            findings=[asdict(finding) for finding in findings],
        )
        if actor is not None:
            audit.record(actor, "ledger.checked", made, after={"is_ok": made.is_ok}, request=request)
    return made


def last() -> LedgerCheck | None:
    return LedgerCheck.objects.order_by("-id").first()


def _order(code: str) -> tuple[int, str]:
    digits = "".join(character for character in code if character.isdigit())
    return int(digits), code
