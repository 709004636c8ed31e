"""Approvals: what waits for a person, and their yes or no."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import approvals, decisions, grants, sessions
from conversations.api.approval_shapes import (
    APPROVAL_EXAMPLE,
    DECIDED_EXAMPLE,
    GRANT_EXAMPLE,
    ApprovalOutput,
    ApproveInput,
    DenyInput,
    PendingOutput,
    RevokedOutput,
    SessionApprovalsOutput,
)
from conversations.api.schema import errors, examples
from conversations.approvals import approval_shape
from conversations.decisions import Approve, Deny
from conversations.grants import grant_shape

DECIDE = "approvals:decide"


class ApprovalList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_approvals",
        summary="What waits for one's decision",
        responses={200: PendingOutput},
        examples=examples(response={"pending": [APPROVAL_EXAMPLE], "count": 1}),
    )
    def get(self, request: Request) -> Response:
        found, count = approvals.pending(owner_id=request.user.pk, now=timezone.now())
        return Response({"pending": [approval_shape(approval) for approval in found], "count": count})


class ApprovalDetail(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_approval",
        summary="Look at an approval, decided or not",
        responses={200: ApprovalOutput, **errors(404)},
        examples=examples(response=DECIDED_EXAMPLE),
    )
    def get(self, request: Request, approval_id: UUID) -> Response:
        return Response(approval_shape(approvals.find_approval(approval_id, owner_id=request.user.pk)))


class ApprovalApprove(APIView):
    required_scopes = {"POST": DECIDE}

    @extend_schema(
        operation_id="approve",
        summary="Let a tool call run",
        description=(
            "The first decision counts: a later one gets 409 with it in `approval`. With `digest` the yes is for "
            "exactly the call that was shown: another one gets 409 with the current `digest`. `arguments` replace the "
            "model's and go through the policy again. `resolution_scope` tells what was granted: a command that cannot "
            "be taken apart is allowed once, whatever `scope` says."
        ),
        request=ApproveInput,
        responses={200: ApprovalOutput, **errors(404, 409, 410)},
        examples=examples(
            request={"scope": "session", "digest": APPROVAL_EXAMPLE["digest"]}, response=DECIDED_EXAMPLE
        ),
    )
    def post(self, request: Request, approval_id: UUID) -> Response:
        fields = ApproveInput(data=request.data)
        fields.is_valid(raise_exception=True)
        return _decided(request, approval_id, Approve(**fields.validated_data))


class ApprovalDeny(APIView):
    required_scopes = {"POST": DECIDE}

    @extend_schema(
        operation_id="deny",
        summary="Refuse a tool call, and tell the model why",
        request=DenyInput,
        responses={200: ApprovalOutput, **errors(404, 409, 410)},
        examples=examples(
            request={"feedback": "Not on the main branch."},
            response=DECIDED_EXAMPLE
            | {"status": "denied", "feedback": "Not on the main branch.", "resolution_scope": None},
        ),
    )
    def post(self, request: Request, approval_id: UUID) -> Response:
        fields = DenyInput(data=request.data)
        fields.is_valid(raise_exception=True)
        return _decided(request, approval_id, Deny(**fields.validated_data))


def _decided(request: Request, approval_id: UUID, choice: Approve | Deny) -> Response:
    decided = decisions.decide(approval_id, choice, user=request.user, now=timezone.now(), request=request)
    return Response(approval_shape(decided))


class SessionApprovals(APIView):
    required_scopes = {"GET": "read", "DELETE": DECIDE}

    @extend_schema(
        operation_id="get_session_approvals",
        summary="What waits in a session, and what is granted there",
        responses={200: SessionApprovalsOutput, **errors(404)},
        examples=examples(response={"pending": [APPROVAL_EXAMPLE], "count": 1, "grants": [GRANT_EXAMPLE]}),
    )
    def get(self, request: Request, session_id: str) -> Response:
        now = timezone.now()
        conversation = sessions.get_conversation(owner_id=request.user.pk, session_id=session_id)
        found, count = approvals.pending(owner_id=request.user.pk, now=now, conversation_id=conversation.pk)
        body: dict[str, Any] = {"pending": [approval_shape(approval) for approval in found], "count": count}
        granted = grants.grants_of_session(conversation, now=now)
        return Response(body | {"grants": [grant_shape(grant) for grant in granted]})

    @extend_schema(
        operation_id="revoke_session_grants",
        summary="Take back all that is granted in a session",
        responses={200: RevokedOutput, **errors(404)},
        examples=examples(response={"revoked": 2}),
    )
    def delete(self, request: Request, session_id: str) -> Response:
        conversation = sessions.get_conversation(owner_id=request.user.pk, session_id=session_id)
        revoked = grants.revoke_of_session(
            conversation, user=request.user, now=timezone.now(), request=request
        )
        return Response({"revoked": revoked})
