"""Bonuses for feedback: set aside from the platform's fee of a billed click, paid when the prediction came true.

They are opened by the click or by the feedback, whichever is later; both hold the token's lock. Taken back with the
click. A bonus is never more than the platform has earned with that click.
"""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from ads import ledger
from ads.core.books import environment_of
from ads.core.micros import Reaction, bonus_micros, split_price
from ads.core.tokens import Environment
from ads.models import AdEvent, Bonus, Feedback, LedgerTransaction

SWEEP_BATCH = 200


def open_after_click(
    decision_id: UUID, unit_id: UUID, *, price_micros: int, share_bps: int, now: datetime
) -> None:
    """For a click that was just billed: if there is feedback already, its bonus. In the caller's transaction."""
    feedback = Feedback.objects.filter(decision_id=decision_id, unit_id=unit_id, voided_at=None).first()
    if feedback is not None:
        _open(feedback, price_micros, share_bps, now)


def open_after_feedback(feedback: Feedback, *, share_bps: int, now: datetime) -> None:
    """For new feedback: if its click was billed already, its bonus. In the caller's transaction."""
    click = AdEvent.objects.filter(
        decision_id=feedback.decision_id, unit_id=feedback.unit_id, kind=AdEvent.Kind.CLICK, is_billed=True
    ).first()
    if click is None or LedgerTransaction.objects.filter(reverses=click.transaction_id).exists():
        return
    _open(feedback, click.price_micros, share_bps, now)


def resolve_due(*, book: str, now: datetime) -> int:
    """Ends the bonuses whose time is over; how many. May run twice, or in two processes at once."""
    count = 0
    while ended := _resolve_batch(book, now):
        count += ended
    return count


def take_back(decision_id: UUID, unit_id: UUID, *, now: datetime) -> None:
    """The click was no click: its bonus, paid or not, is the platform's again. In the caller's transaction."""
    bonus = (
        Bonus.objects.select_for_update(of=["self"])
        .select_related("feedback")
        .filter(feedback__decision_id=decision_id, feedback__unit_id=unit_id)
        .exclude(state=Bonus.State.RETURNED)
        .first()
    )
    if bonus is None:
        return
    holder = (
        ledger.BONUS if bonus.state == Bonus.State.OPEN else ledger.agent_account(bonus.feedback.agent_id)
    )
    Bonus.objects.filter(pk=bonus.pk).update(state=Bonus.State.RETURNED, ended_at=now)
    amounts = {holder: -bonus.amount_micros, ledger.PLATFORM: bonus.amount_micros}
    movement = _movement(ledger.Kind.BONUS_RETURN, "bonus_taken_back", bonus.feedback, amounts)
    ledger.post([movement], book=bonus.book, now=now)


def _open(feedback: Feedback, price_micros: int, share_bps: int, now: datetime) -> None:
    amount = bonus_micros(split_price(price_micros, share_bps), Reaction(feedback.reaction))
    if not amount:
        return
    Bonus.objects.create(
        feedback=feedback,
        book=feedback.book,
        amount_micros=amount,
        resolves_at=feedback.resolves_at,
        opened_at=now,
    )
    amounts = {ledger.PLATFORM: -amount, ledger.BONUS: amount}
    movement = _movement(ledger.Kind.BONUS_RESERVE, "bonus_reserve", feedback, amounts)
    ledger.post([movement], book=feedback.book, now=now)


# A conversion that the advertiser has confirmed; an agent's own report counts by setting, and in test books, where
# nobody could confirm it.
_CONVERTED = """
SELECT b.feedback_id FROM ad_bonus b JOIN ad_feedback f ON f.id = b.feedback_id
WHERE b.feedback_id = ANY(%(bonuses)s) AND (
    EXISTS (SELECT FROM ad_conversion c WHERE c.decision_id = f.decision_id AND c.unit_id = f.unit_id
        AND c.confirmed_at <= b.resolves_at)
    OR %(reports_count)s AND EXISTS (SELECT FROM ad_event e WHERE e.decision_id = f.decision_id
        AND e.unit_id = f.unit_id AND e.kind = 'conversion' AND e.reason = '' AND e.occurred_at <= b.resolves_at))
"""


def _resolve_batch(book: str, now: datetime) -> int:
    with transaction.atomic():
        bonuses = list(
            Bonus.objects.select_for_update(of=["self"], skip_locked=True)
            .select_related("feedback")
            .filter(book=book, state=Bonus.State.OPEN, resolves_at__lte=now)
            .order_by("resolves_at", "pk")[:SWEEP_BATCH]
        )
        converted = _converted(bonuses, book)
        states = {bonus.pk: _outcome(bonus, bonus.pk in converted) for bonus in bonuses}
        for state in (Bonus.State.PAID, Bonus.State.RETURNED):
            ended = [pk for pk, outcome in states.items() if outcome is state]
            Bonus.objects.filter(pk__in=ended).update(state=state, ended_at=now)
        ledger.post([_end(bonus, states[bonus.pk]) for bonus in bonuses], book=book, now=now)
    return len(bonuses)


def _converted(bonuses: list[Bonus], book: str) -> set[UUID]:
    is_test = environment_of(book) is Environment.TEST
    with connection.cursor() as cursor:
        cursor.execute(
            _CONVERTED,
            {
                "bonuses": [bonus.pk for bonus in bonuses],
                "reports_count": is_test or settings.PENGUIN_AD_REPORTED_CONVERSIONS_COUNT,
            },
        )
        return {feedback_id for (feedback_id,) in cursor.fetchall()}


def _outcome(bonus: Bonus, has_converted: bool) -> Bonus.State:
    """Who said "positive" is right with a conversion, who said "negative" without one."""
    is_right = has_converted is (bonus.feedback.reaction == Reaction.POSITIVE)
    return Bonus.State.PAID if is_right else Bonus.State.RETURNED


def _end(bonus: Bonus, state: Bonus.State) -> ledger.Movement:
    if state is Bonus.State.PAID:
        kind, receiver = ledger.Kind.BONUS_PAID, ledger.agent_account(bonus.feedback.agent_id)
    else:
        kind, receiver = ledger.Kind.BONUS_RETURN, ledger.PLATFORM
    amounts = {ledger.BONUS: -bonus.amount_micros, receiver: bonus.amount_micros}
    return _movement(kind, "bonus_end", bonus.feedback, amounts)


def _movement(
    kind: LedgerTransaction.Kind, cause: str, feedback: Feedback, amounts: Mapping[ledger.Owner, int]
) -> ledger.Movement:
    return ledger.Movement(
        kind=kind,
        reference=f"{cause}:{feedback.pk.hex}",
        amounts=amounts,
        decision_id=feedback.decision_id,
        unit_id=feedback.unit_id,
    )
