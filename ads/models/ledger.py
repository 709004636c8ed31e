"""The ledger: double entry, only ever added to. The database keeps these promises itself (migration 0002).

Amounts are micros, positive for what is owed to an account's owner (a credit) and negative for the opposite, so each
transaction's postings sum to zero, and cash, which lies outside, is negative by what was paid in. A book is a ledger of
its own: the live one, or the test book of one agent; no transaction touches two.
"""

from django.db import models
from django.utils import timezone


class Account(models.Model):
    """One account of a book. Its id follows from book, kind and owner, so that nobody has to look it up.

    Wallets and agents' accounts carry a running balance. The platform's own do not: every transaction would wait for
    that one row. Theirs is the sum of their postings.
    """

    class Kind(models.TextChoices):
        WALLET = "wallet", "advertiser's wallet"
        AGENT = "agent", "owed to an agent"
        PLATFORM = "platform", "platform revenue"
        BONUS = "bonus", "bonus reserve"
        ESCROW = "escrow", "service escrow"
        CASH = "cash", "cash"

    id = models.UUIDField(primary_key=True, editable=False)
    book = models.CharField(max_length=40)
    kind = models.CharField(max_length=8, choices=Kind)
    owner_id = models.UUIDField(null=True, help_text="The advertiser or agent; empty for the platform's own.")
    balance_micros = models.BigIntegerField(null=True, help_text="Empty: not kept, see above.")

    class Meta:
        db_table = "ad_account"
        constraints = [
            models.UniqueConstraint(
                fields=["book", "kind", "owner_id"], name="ad_account_once", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=~models.Q(kind="wallet") | models.Q(balance_micros__gte=0),
                name="ad_account_wallet_not_negative",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    kind__in=["wallet", "agent"], owner_id__isnull=False, balance_micros__isnull=False
                )
                | models.Q(
                    kind__in=["platform", "bonus", "escrow", "cash"], owner_id=None, balance_micros=None
                ),
                name="ad_account_owner_and_balance",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.book} {self.kind} {self.owner_id or ''}".rstrip()


class LedgerTransaction(models.Model):
    """One movement of money: what it was for. `reference` names its cause, so that none is booked twice."""

    class Kind(models.TextChoices):
        TOP_UP = "top_up"
        CLICK = "click"
        IMPRESSION = "impression"
        SESSION = "session"
        SESSION_PAYOUT = "session_paid"
        ESCROW = "escrow"
        SERVICE = "service"
        ESCROW_RETURN = "escrow_return"
        BONUS_RESERVE = "bonus_reserve"
        BONUS_PAID = "bonus_paid"
        BONUS_RETURN = "bonus_return"
        REVERSAL = "reversal"
        PAYOUT = "payout"

    id = models.UUIDField(primary_key=True, editable=False)
    book = models.CharField(max_length=40)
    kind = models.CharField(max_length=13, choices=Kind)
    reference = models.CharField(max_length=120, unique=True)
    postings_count = models.PositiveSmallIntegerField()
    campaign_id = models.UUIDField(null=True)
    decision_id = models.UUIDField(null=True)
    unit_id = models.UUIDField(null=True)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="reversal")
    note = models.CharField(max_length=200, blank=True)
    occurred_at = models.DateTimeField(help_text="By the clock of its book.")
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "ad_ledger_transaction"
        indexes = [
            models.Index(fields=["decision_id", "unit_id"], name="ad_ledger_decision"),
            models.Index(fields=["book", "occurred_at"], name="ad_ledger_time"),
            # Lists of what is rare are found without reading what is frequent: clicks and impressions.
            models.Index(
                fields=["kind", "-id"],
                condition=models.Q(
                    kind__in=[
                        "top_up",
                        "session",
                        "session_paid",
                        "escrow",
                        "service",
                        "escrow_return",
                        "bonus_reserve",
                        "bonus_paid",
                        "bonus_return",
                        "reversal",
                        "payout",
                    ]
                ),
                name="ad_ledger_rare",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.reference}"


class Posting(models.Model):
    """An amount on an account. Without foreign-key locks on the account: the platform's few rows are everybody's."""

    transaction = models.ForeignKey(LedgerTransaction, on_delete=models.PROTECT, related_name="postings")
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, db_constraint=False, db_index=False, related_name="postings"
    )
    amount_micros = models.BigIntegerField()
    occurred_at = models.DateTimeField()

    class Meta:
        db_table = "ad_posting"
        constraints = [
            models.UniqueConstraint(fields=["transaction", "account"], name="ad_posting_once"),
            models.CheckConstraint(condition=~models.Q(amount_micros=0), name="ad_posting_not_zero"),
        ]
        indexes = [models.Index(fields=["account", "occurred_at"], name="ad_posting_account")]

    def __str__(self) -> str:
        return f"{self.amount_micros} on {self.account_id}"


class LedgerCheck(models.Model):
    """What the look at all invariants has found, each time that it was done."""

    checked_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    is_ok = models.BooleanField()
    findings = models.JSONField(help_text="A code, title, is_ok and examples for each invariant.")

    class Meta:
        db_table = "ad_ledger_check"

    def __str__(self) -> str:
        return f"{self.checked_at:%Y-%m-%d %H:%M} {'right' if self.is_ok else 'wrong'}"
