"""`GET /ledger/health`: whether money adds up, for those who run the marketplace."""

from typing import Any

from django.utils import timezone
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from ads import ledger_health
from ads.api.base import AdsView
from ads.api.schema import obj, operation
from penguin_site.errors import Forbidden, NotAuthenticated

SCOPE = "ads:admin"


class AdsAdminOnly(BasePermission):
    """A key of the site (not an agent's) with the scope `ads:admin`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if request.auth is None:
            raise NotAuthenticated
        if not request.auth.may(SCOPE):
            raise Forbidden(f"This needs a key with the scope {SCOPE}.")
        return True


class LedgerHealth(AdsView):
    authentication_classes = api_settings.DEFAULT_AUTHENTICATION_CLASSES
    permission_classes = [AdsAdminOnly]

    @operation(
        "ledger_health",
        "Whether money adds up, looked at now: a statement for each invariant",
        answer=obj(
            "ok checked_at checks",
            ok="boolean", checked_at={"type": "string", "format": "date-time"},
            checks={
                "type": "array",
                "items": obj(
                    "code title ok examples", code="string", title="string", ok="boolean",
                    examples={"type": "array", "items": {"type": "string"}},
                ),
            },
        ),
        example={
            "ok": True, "checked_at": "2026-05-20T12:00:00Z",
            "checks": [{"code": "I1", "title": "each transaction sums to zero", "ok": True, "examples": []}],
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        now = timezone.now()
        findings = ledger_health.ledger_health()
        return Response(
            {
                "ok": all(finding.is_ok for finding in findings),
                "checked_at": now,
                "checks": [
                    {
                        "code": finding.code,
                        "title": finding.title,
                        "ok": finding.is_ok,
                        "examples": finding.examples,
                    }
                    for finding in findings
                ],
            }
        )
