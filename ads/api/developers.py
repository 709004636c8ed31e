"""Developers and their agents: sign-up, balance, the test clock."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ads import agents, ledger, payouts, settlements
from ads.api import fields
from ads.api.access import NoKey
from ads.api.base import AdsView
from ads.api.schema import obj, operation
from ads.core.books import book_of
from ads.core.micros import MICROS_PER_DOLLAR
from ads.core.tokens import Environment
from ads.models import FeatureSwitch
from penguin_site.errors import Forbidden


class SignUpInput(serializers.Serializer):
    owner_email = serializers.EmailField(max_length=254)
    agent_name = fields.Text(max_length=100)
    sdk_type = fields.Text(max_length=50, allow_blank=True, required=False)
    sdk = fields.Text(
        max_length=50, allow_blank=True, required=False, help_text="Older clients' name of sdk_type."
    )
    declared_placements = fields.TextList(max_length=50, default=list)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, dict) and not isinstance(data.get("owner_email", ""), str):
            raise serializers.ValidationError({"owner_email": ["Not a valid string."]})
        return super().to_internal_value(data)


class SignUp(AdsView):
    authentication_classes = [NoKey]
    rate_class = "signup"
    feature = FeatureSwitch.Feature.SIGN_UP

    @operation(
        "sign_up",
        "Register an agent; its keys are shown this once",
        request=SignUpInput,
        answer=obj(
            "agent_id api_key test_api_key owner_email agent_name environment status created_at message",
            agent_id="string", api_key="string", test_api_key="string", owner_email="string", agent_name="string",
            environment="string", status="string", created_at={"type": "string", "format": "date-time"},
            message="string",
        ),
        sample={"owner_email": "dev@example.com", "agent_name": "MyBot"},
        example={
            "agent_id": "agt_0198c5d2a3b47e0f8a1b2c3d4e5f6071", "api_key": "am_live_...", "test_api_key": "am_test_...",
            "owner_email": "dev@example.com", "agent_name": "MyBot", "environment": "test", "status": "pending_review",
            "created_at": "2026-05-20T12:00:00Z", "message": "The test key works at once.",
        },
        status=201,
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        body = SignUpInput(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        signed_up = agents.sign_up(
            owner_email=given["owner_email"],
            name=given["agent_name"].strip(),
            sdk_type=given.get("sdk_type") or given.get("sdk") or "",
            declared_placements=given["declared_placements"],
            now=timezone.now(),
        )
        agent = signed_up.agent
        return Response(
            {
                "agent_id": agent.public_id,
                "api_key": signed_up.live_key,
                "test_api_key": signed_up.test_key,
                "owner_email": agent.owner_email,
                "agent_name": agent.name,
                "environment": "test",
                "status": agent.status,
                "created_at": agent.created_at,
                "message": "The test key works at once, the live key when the agent has been approved."
                " Keep both: they are not shown again.",
            },
            status=201,
        )


class Balance(AdsView):
    @operation(
        "balance",
        "What the agent has earned, in dollars, with this key's environment",
        answer=obj(
            "agent_id environment currency balance payable",
            agent_id="string", environment="string", currency="string", balance="number", payable="number",
        ),
        example={
            "agent_id": "agt_0198c5d2a3b47e0f8a1b2c3d4e5f6071", "environment": "live", "currency": "USD",
            "balance": 12.25, "payable": 7.0,
        },
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        caller = request.auth
        account = ledger.agent_account(caller.agent.pk)
        is_live = caller.environment is Environment.LIVE
        payable = payouts.payable(caller.agent.pk, now=caller.now()) if is_live else 0
        balance = ledger.balance(account, book=book_of(caller.environment, caller.agent.pk))
        return Response(
            {
                "agent_id": caller.agent.public_id,
                "environment": caller.environment.value,
                "currency": "USD",
                "balance": balance / MICROS_PER_DOLLAR,
                "payable": payable / MICROS_PER_DOLLAR,
            }
        )


class ClockInput(serializers.Serializer):
    advance_seconds = fields.Integer(min_value=1, max_value=int(agents.LONGEST_STEP.total_seconds()))


class TestClock(AdsView):
    @operation(
        "move_test_clock",
        "Move the agent's own test clock forward; what falls due is settled before the answer",
        request=ClockInput,
        answer=obj(
            "now advanced_seconds settled",
            now={"type": "string", "format": "date-time"}, advanced_seconds="integer",
            settled=obj("holds services bonuses sessions", holds="integer", services="integer", bonuses="integer",
                        sessions="integer"),
        ),
        sample={"advance_seconds": 86_400},
        example={
            "now": "2026-05-21T12:00:00Z", "advanced_seconds": 86_400,
            "settled": {"holds": 0, "services": 1, "bonuses": 0, "sessions": 0},
        },
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        caller = request.auth
        if caller.environment is not Environment.TEST:
            raise Forbidden("Only a test key has a clock to move.")
        body = ClockInput(data=request.data)
        body.is_valid(raise_exception=True)
        ahead = agents.move_test_clock(
            caller.agent, timedelta(seconds=body.validated_data["advance_seconds"])
        )
        now = timezone.now() + ahead
        settled = settlements.settle_due(agents.test_book(caller.agent), now=now)
        return Response(
            {
                "now": now,
                "advanced_seconds": int(ahead.total_seconds()),
                "settled": asdict(settled),
            }
        )
