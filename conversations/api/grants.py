"""Grants: standing permissions, made beforehand, listed, taken back."""

from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import grants, sessions
from conversations.api.approval_shapes import GRANT_EXAMPLE, GrantListOutput, GrantOutput, PreApproveInput
from conversations.api.schema import errors, examples
from conversations.api.serializers import PageQuery
from conversations.grants import grant_shape
from penguin_site.idempotency import idempotent

DECIDE = "approvals:decide"


class PreApprove(APIView):
    required_scopes = {"POST": DECIDE}

    @extend_schema(
        operation_id="pre_approve",
        summary="Allow calls of a tool that nobody has made yet",
        description=(
            "All calls of the tool, or those that fit `pattern`: of one session, or of all. It is void as soon as the "
            "tool's definition or the sandbox changes, and it never covers network for commands or a command that "
            "cannot be taken apart."
        ),
        request=PreApproveInput,
        responses={201: GrantOutput, **errors(404)},
        examples=examples(
            request={"tool": "execute_command", "pattern": "pytest *", "session_id": "repo-session-1"},
            response=GRANT_EXAMPLE,
            status="201",
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        fields = PreApproveInput(data=request.data)
        fields.is_valid(raise_exception=True)
        wished = fields.validated_data
        session_id = wished.pop("session_id")
        conversation = None
        if session_id is not None:
            conversation = sessions.get_conversation(owner_id=request.user.pk, session_id=session_id)
        grant = grants.pre_approve(
            user=request.user, conversation=conversation, now=timezone.now(), request=request, **wished
        )
        return Response(grant_shape(grant), status=201)


class GrantList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_grants",
        summary="One's grants that still count, newest first",
        parameters=[PageQuery],
        responses={200: GrantListOutput},
        examples=examples(response={"grants": [GRANT_EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request) -> Response:
        query = PageQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page = grants.list_grants(owner_id=request.user.pk, now=timezone.now(), **query.validated_data)
        return Response(
            {"grants": [grant_shape(grant) for grant in page.grants], "next_cursor": page.next_cursor}
        )


class GrantDetail(APIView):
    required_scopes = {"GET": "read", "DELETE": DECIDE}

    @extend_schema(
        operation_id="get_grant",
        summary="Look at a grant, revoked or not",
        responses={200: GrantOutput, **errors(404)},
        examples=examples(response=GRANT_EXAMPLE),
    )
    def get(self, request: Request, grant_id: UUID) -> Response:
        return Response(grant_shape(grants.find_grant(grant_id, owner_id=request.user.pk)))

    @extend_schema(
        operation_id="revoke_grant",
        summary="Take a grant back",
        description="With effect on every call that has not started yet. Doing it again changes nothing.",
        responses={200: GrantOutput, **errors(404)},
        examples=examples(response=GRANT_EXAMPLE | {"revoked_at": "2024-03-30T13:00:00Z"}),
    )
    def delete(self, request: Request, grant_id: UUID) -> Response:
        grant = grants.find_grant(grant_id, owner_id=request.user.pk)
        revoked = grants.revoke(grant, user=request.user, now=timezone.now(), request=request)
        return Response(grant_shape(revoked))
