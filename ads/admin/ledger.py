"""The ledger, to read: transactions, accounts with their statements, and whether everything adds up."""

import csv
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.utils.safestring import SafeString
from unfold.decorators import display

from ads import ledger, ledger_checks
from ads.admin.staff import StaffList, as_id, button, link, named, owners_of, page, require, row_or_404
from ads.core.books import LIVE
from ads.core.csv_cells import as_cell
from ads.core.shown_money import dollars
from ads.models import Account, LedgerCheck, LedgerTransaction, Posting
from penguin_site import audit

CHECKS_SHOWN = 20
LINES = 100
MOST_EXPORTED = 100_000


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(StaffList):
    list_display = ["occurred_at", "kind_link", "amount", "reference_name", "book_name", "note_name"]
    list_filter = ["kind"]
    search_help_text = "The id of a transaction, or a whole reference"
    ordering = ["-id"]
    object_template = "transaction.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found = queryset.filter(reference=search_term.strip())
        if search_term.strip() and found.exists():
            return found, False
        return super().get_search_results(request, queryset, search_term)

    def add_to_rows(self, rows: list[Any]) -> None:
        moved = (
            Posting.objects.filter(transaction__in=[row.pk for row in rows], amount_micros__gt=0)
            .values_list("transaction")
            .annotate(total=Sum("amount_micros"))
        )
        amounts = dict(moved)
        for row in rows:
            row.amount_micros = amounts.get(row.pk, 0)

    @display(description="Kind")
    def kind_link(self, row: LedgerTransaction) -> SafeString:
        return link("ledgertransaction_change", row.get_kind_display(), row.pk)

    @display(description="Amount")
    def amount(self, row: Any) -> str:
        return dollars(row.amount_micros)

    @display(description="Reference")
    def reference_name(self, row: LedgerTransaction) -> SafeString:
        return named(row.reference)

    @display(description="Book")
    def book_name(self, row: LedgerTransaction) -> str:
        return "live" if row.book == LIVE else "test"

    @display(description="Note")
    def note_name(self, row: LedgerTransaction) -> SafeString:
        return named(row.note)

    def object_context(self, request: HttpRequest, row: LedgerTransaction) -> dict[str, Any]:
        postings = list(row.postings.select_related("account").order_by("amount_micros", "id"))
        owners = owners_of(posting.account.owner_id for posting in postings)
        return {
            "postings": [(posting, owners.get(posting.account.owner_id)) for posting in postings],  # type: ignore[arg-type]
            "reversal": LedgerTransaction.objects.filter(reverses=row).first(),
        }


@admin.register(Account)
class AccountAdmin(StaffList):
    """In the order of its unique index: the live book comes before all test books."""

    list_display = ["owner_name", "kind", "book_name", "balance"]
    list_filter = ["kind"]
    search_help_text = "The id of an account, an agent or an advertiser"
    ordering = ["book", "kind", "owner_id"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        found, _ = super().get_search_results(request, queryset, search_term)
        if search_term.strip() and not found.exists():
            owned = [Account.Kind.WALLET, Account.Kind.AGENT]
            identifier = _id_or_none(search_term)
            return queryset.filter(book=LIVE, kind__in=owned, owner_id=identifier), False
        return found, False

    def add_to_rows(self, rows: list[Any]) -> None:
        owners = owners_of(row.owner_id for row in rows)
        for row in rows:
            row.owner = owners.get(row.owner_id)

    @display(description="Account")
    def owner_name(self, row: Any) -> SafeString:
        return named(row.owner or row.get_kind_display())

    @display(description="Book")
    def book_name(self, row: Account) -> str:
        return "live" if row.book == LIVE else f"test of {row.book.partition(':')[2][:8]}…"

    @display(description="Balance")
    def balance(self, row: Account) -> str:
        return "" if row.balance_micros is None else dollars(row.balance_micros)

    def get_urls(self) -> list[URLPattern]:
        return [self.address("csv", self.export, "<uuid:account_id>/csv/"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The statement: the newest movements first, or those of the days from `from` to `to`."""
        require(request, "view_account")
        row = row_or_404(Account.objects.all(), _id_or_none(object_id))
        since, until = _period(request)
        postings = movements(row, since, until)
        before = request.GET.get("before", "").partition("/")
        if before[2].isdigit() and (moment := _moment(before[0])):
            older = Q(occurred_at__lt=moment) | Q(occurred_at=moment, id__lt=int(before[2]))
            postings = postings.filter(older, occurred_at__lte=moment)
        lines = list(postings[: LINES + 1])
        last = lines[LINES - 1] if len(lines) > LINES else None
        context = {
            "row": row,
            "owner": owners_of([row.owner_id]).get(row.owner_id) if row.owner_id else None,
            "balance": row.balance_micros if row.balance_micros is not None else _added_up(request, row),
            "lines": lines[:LINES],
            "older": f"{last.occurred_at.isoformat()}/{last.pk}" if last else "",
            "since": request.GET.get("from", ""),
            "until": request.GET.get("to", ""),
            "is_live": row.book == LIVE,
        }
        return page(self, request, "statement.html", "Statement", **context)

    def export(self, request: HttpRequest, account_id: UUID) -> HttpResponse | StreamingHttpResponse:
        require(request, "view_account")
        row = row_or_404(Account.objects.all(), account_id)
        since, until = _period(request)
        facts = {"since": since, "until": until}
        audit.record(request.user, "ledger.statement_exported", row, after=facts, request=request)
        lines = movements(row, since, until)[:MOST_EXPORTED]
        return StreamingHttpResponse(
            _csv(lines),
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="statement-{row.pk}.csv"'},
        )


@admin.register(LedgerCheck)
class LedgerCheckAdmin(StaffList):
    """Health: what the last look at all invariants has found, and a button to look now."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        checks = list(LedgerCheck.objects.order_by("-id")[:CHECKS_SHOWN])
        may_check = request.user.has_perm("ads.add_ledgercheck")
        context = {"last": checks[0] if checks else None, "checks": checks, "may_check": may_check}
        return page(self, request, "health.html", "Health of the ledger", **context)

    def get_urls(self) -> list[URLPattern]:
        return [self.address("check", self.look_now, "check/"), *super().get_urls()]

    def look_now(self, request: HttpRequest) -> HttpResponse:
        def act() -> str | None:
            found = ledger_checks.check(now=timezone.now(), actor=request.user, request=request)
            if found is None:
                messages.warning(request, "Somebody is looking at this moment: the result will stand here.")
            elif not found.is_ok:
                messages.error(request, "Something does not add up: see below.")
            return "Everything adds up." if found is not None and found.is_ok else None

        back_to = reverse("admin:ads_ledgercheck_changelist")
        return button(request, "add_ledgercheck", act, back_to=back_to)


def movements(account: Account, since: datetime | None, until: datetime | None) -> QuerySet[Posting]:
    """The newest first, by the account's index."""
    postings = Posting.objects.filter(account=account).select_related("transaction")
    if since:
        postings = postings.filter(occurred_at__gte=since)
    if until:
        postings = postings.filter(occurred_at__lt=until)
    return postings.order_by("-occurred_at", "-id")


def _csv(lines: QuerySet[Posting]) -> Iterator[str]:
    writer = csv.writer(_Lines())
    yield writer.writerow(["occurred_at", "kind", "amount_usd", "reference", "note", "transaction"])
    for line in lines.iterator(chunk_size=2_000):
        movement = line.transaction
        amount = dollars(line.amount_micros).replace("$", "").replace(",", "")
        yield writer.writerow(
            [
                line.occurred_at.isoformat(),
                movement.kind,
                amount,
                as_cell(movement.reference),
                as_cell(movement.note),
                str(movement.pk),
            ]
        )


class _Lines:
    """A file for the writer that hands each line back."""

    def write(self, text: str) -> str:
        return text


def _added_up(request: HttpRequest, row: Account) -> int | None:
    """Balances that are not kept are added up when somebody asks: it reads every movement."""
    if "add_up" not in request.GET:
        return None
    return ledger.balance((Account.Kind(row.kind), row.owner_id), book=row.book)


def _period(request: HttpRequest) -> tuple[datetime | None, datetime | None]:
    since, until = (_day(request.GET.get(name, "")) for name in ("from", "to"))
    return since, until + timedelta(days=1) if until else None


def _day(text: str) -> datetime | None:
    try:
        day: date | None = parse_date(text)
    except ValueError:
        return None
    return datetime.combine(day, time.min, UTC) if day and 1970 < day.year < 9000 else None


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _id_or_none(text: str) -> UUID | None:
    identifier = as_id(text)
    return identifier if isinstance(identifier, UUID) else None
