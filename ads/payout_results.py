"""What became of payouts at the bank: read from its file, line by line; what came back is the agent's again."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from ads import ledger
from ads.core.micros import MICROS_PER_DOLLAR
from ads.models import Payout, PayoutBatch, PayoutResult
from penguin_site import audit
from penguin_site.errors import Conflict, InvalidField

Outcome = PayoutResult.Outcome
COLUMNS = ("payout", "outcome")
MOST_LINES = 10_000
# What banks call it.
_WORDS = {
    "paid": Outcome.PAID, "ok": Outcome.PAID, "settled": Outcome.PAID, "completed": Outcome.PAID,
    "returned": Outcome.RETURNED, "failed": Outcome.RETURNED, "rejected": Outcome.RETURNED,
}  # fmt: skip


class AlreadyReported(Conflict):
    """The bank has said something else of this payout before."""

    code = "already_reported"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bank's file. `amount_micros` None: it names no amount."""

    number: int
    payout_id: UUID
    outcome: PayoutResult.Outcome
    bank_reference: str
    note: str
    amount_micros: int | None


@dataclass(frozen=True, slots=True)
class Imported:
    paid: int
    returned: int
    repeated: int
    problems: list[str]


def read(data: bytes) -> list[Line]:
    """The lines of a CSV file with the columns `payout` and `outcome` (`bank_reference`, `note`, `amount_usd` may be
    there). Raises InvalidField with the number of the first line that cannot be read: then nothing is imported.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidField("file", "must be text in UTF-8") from None
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in text.partition("\n")[0] else ",")
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise InvalidField("file", f"has no column {missing[0]}")
    try:
        lines = [_line(number, row) for number, row in enumerate(rows, start=2)]
    except csv.Error as error:
        raise InvalidField("file", f"is no CSV: {error}") from None
    if len(lines) > MOST_LINES:
        raise InvalidField("file", f"must have at most {MOST_LINES} lines")
    return lines


def take_in(
    batch: PayoutBatch, lines: Iterable[Line], *, now: datetime, actor: Any = None, request: Any = None
) -> Imported:
    """Takes in what the bank says, each line for itself: one that contradicts the books is named and left out."""
    counts = {Outcome.PAID: 0, Outcome.RETURNED: 0}
    repeated, problems = 0, []
    payouts = {payout.pk: payout for payout in batch.payouts.all()}
    for line in lines:
        payout = payouts.get(line.payout_id)
        if payout is None:
            problems.append(f"Line {line.number}: this batch has no payout {line.payout_id}.")
        elif line.amount_micros not in (None, payout.amount_micros):
            problems.append(f"Line {line.number}: the payout has another amount.")
        else:
            try:
                if settle(payout, line, now=now):
                    counts[line.outcome] += 1
                else:
                    repeated += 1
            except AlreadyReported as error:
                problems.append(f"Line {line.number}: {error.message}")
    imported = Imported(counts[Outcome.PAID], counts[Outcome.RETURNED], repeated, problems)
    facts = {"paid": imported.paid, "returned": imported.returned, "problems": len(problems)}
    audit.record(actor, "payouts.results_imported", batch, after=facts, request=request)
    return imported


def settle(payout: Payout, line: Line, *, now: datetime) -> bool:
    """Whether the line says something new. What was paid may still be returned; what was returned stays so."""
    with transaction.atomic():
        if not _store(payout, line, now):
            return False
        if line.outcome is Outcome.RETURNED:
            note = f"returned by the bank {line.bank_reference}".strip()
            ledger.reverse(payout.transaction_id, note=note[:200], now=now)
        return True


def _store(payout: Payout, line: Line, now: datetime) -> bool:
    facts = {"bank_reference": line.bank_reference, "note": line.note, "reported_at": now}
    try:
        with transaction.atomic():
            PayoutResult.objects.create(payout=payout, outcome=line.outcome, **facts)
            return True
    except IntegrityError:
        pass
    if line.outcome is Outcome.RETURNED:
        paid = PayoutResult.objects.filter(payout=payout, outcome=Outcome.PAID)
        return bool(paid.update(outcome=Outcome.RETURNED, **facts))
    if PayoutResult.objects.filter(payout=payout, outcome=Outcome.RETURNED).exists():
        raise AlreadyReported(f"{payout.pk} was returned before, and its money is the agent's again.")
    return False


def _line(number: int, row: dict[str, Any]) -> Line:
    def text(name: str, most: int) -> str:
        return (row.get(name) or "").strip()[:most]

    try:
        payout_id = UUID(text("payout", 100))
    except ValueError:
        raise InvalidField("file", f"line {number}: payout is no id of ours") from None
    outcome = _WORDS.get(text("outcome", 20).casefold())
    if outcome is None:
        raise InvalidField("file", f"line {number}: outcome must be paid or returned")
    return Line(
        number, payout_id, outcome, text("bank_reference", 100), text("note", 200),
        _micros(number, text("amount_usd", 40)),
    )  # fmt: skip


def _micros(number: int, text: str) -> int | None:
    if not text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise InvalidField("file", f"line {number}: amount_usd is no number") from None
    if not amount.is_finite() or amount.copy_abs() >= 10**12:
        raise InvalidField("file", f"line {number}: amount_usd is no number")
    return int(amount * MICROS_PER_DOLLAR)
