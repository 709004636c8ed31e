"""Conversations: list, create, read, change, delete."""

import asyncio
from dataclasses import dataclass
from typing import Any

from channels.db import database_sync_to_async
from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import runs, sessions, transcripts
from conversations.api.fields import QueryBooleanField, QueryIntegerField, StrictBooleanField, StrictCharField
from conversations.api.schema import errors, examples
from conversations.api.serializers import ConversationOutput, MessageOutput, PageQuery
from conversations.core.usage import MICROS
from conversations.directories import resolve_directory
from conversations.models import Conversation
from penguin_site.idempotency import idempotent

# A run whose worker does not confirm the cancel is ended by force after 15 seconds.
MOST_SECONDS_TO_DELETE = 20
POLL_SECONDS = 0.2

EXAMPLE = {
    "session_id": "conversation_20240330_123456_0a1b2c3d",
    "id": "conversation_20240330_123456_0a1b2c3d",
    "conversation_id": "conversation_20240330_123456_0a1b2c3d",
    "title": "Fibonacci in Python",
    "message_count": 2,
    "created_at": "2024-03-30T12:34:56Z",
    "last_active": "2024-03-30T12:35:02Z",
    "directory": None,
    "status": "idle",
    "archived": False,
    "sponsored": False,
    "token_count": 412,
    "cost_usd": 0.0003,
}
MESSAGE_EXAMPLE = {
    "id": "018e8f5a-0000-7000-8000-000000000001",
    "role": "user",
    "content": "Write a Python function to calculate the Fibonacci sequence.",
    "created_at": "2024-03-30T12:34:56Z",
    "parts": [],
    "metadata": {},
    "run_id": "018e8f5a-0000-7000-8000-000000000002",
}


class ListQuery(PageQuery):
    search = serializers.CharField(
        allow_blank=True, default="", max_length=200, help_text="In titles and ids."
    )
    archived = QueryBooleanField(default=False, help_text="`true`: those that were put away, and only those.")


class ListOutput(serializers.Serializer):
    conversations = ConversationOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class CreateInput(serializers.Serializer):
    title = StrictCharField(required=False, allow_blank=True, default="", max_length=200)
    directory = StrictCharField(required=False, allow_null=True, default=None, max_length=4096)
    session_id = StrictCharField(required=False, allow_null=True, default=None, max_length=128)


class CreateOutput(serializers.Serializer):
    conversation_id = serializers.CharField()
    session_id = serializers.CharField()


class DetailQuery(serializers.Serializer):
    limit = QueryIntegerField(
        min_value=1, max_value=1000, default=200, help_text="The newest so many messages."
    )
    before = serializers.UUIDField(
        required=False, default=None, help_text="Only messages in front of this one."
    )


class DetailOutput(ConversationOutput):
    messages = MessageOutput(many=True)
    has_more = serializers.BooleanField(help_text="There are earlier messages.")
    before = serializers.UUIDField(allow_null=True, help_text="The value of `before` that reads them.")


class ChangeInput(serializers.Serializer):
    title = StrictCharField(required=False, allow_blank=True, max_length=200)
    archived = StrictBooleanField(required=False)
    sponsored = StrictBooleanField(
        required=False,
        help_text="Whether answers here may carry sponsored suggestions; they do only where `PATCH /sponsored` has "
        "switched them on for oneself, too.",
    )


class DeletedOutput(serializers.Serializer):
    session_id = serializers.CharField()
    conversation_id = serializers.CharField()
    deleted = serializers.BooleanField()
    status = serializers.ChoiceField(["deleted", "cancelling"])


def conversation_data(conversation: Conversation) -> dict[str, Any]:
    """A conversation as lists show it. Plain values: a page of 200 through a serializer costs more than its query."""
    return {
        "session_id": conversation.session_id,
        "id": conversation.session_id,
        "conversation_id": conversation.session_id,
        "title": conversation.title,
        "message_count": conversation.message_count,
        "created_at": conversation.created_at,
        "last_active": conversation.last_active,
        "directory": conversation.directory,
        "status": sessions.status_of(conversation),
        "archived": conversation.archived,
        "sponsored": conversation.sponsored,
        "token_count": conversation.token_count,
        "cost_usd": conversation.cost_micros / MICROS,
    }


class ConversationList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_conversations",
        summary="One's conversations, the last active first",
        parameters=[ListQuery],
        responses={200: ListOutput},
        examples=examples(response={"conversations": [EXAMPLE], "next_cursor": None}),
    )
    def get(self, request: Request) -> Response:
        query = ListQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        page = sessions.list_conversations(owner_id=request.user.id, **query.validated_data)
        return Response(
            {"conversations": [conversation_data(row) for row in page.rows], "next_cursor": page.next_cursor}
        )


class ConversationCreate(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        operation_id="create_conversation",
        summary="A new, empty conversation",
        request=CreateInput,
        responses={200: CreateOutput, **errors(409)},
        examples=examples(
            request={"title": "Fibonacci", "session_id": "repo-session-1"},
            response={"conversation_id": "repo-session-1", "session_id": "repo-session-1"},
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        data = CreateInput(data=request.data)
        data.is_valid(raise_exception=True)
        path = data.validated_data["directory"]
        directory = None
        if path is not None:
            directory = resolve_directory(
                path, user_id=request.user.id, is_local_owner=request.auth.is_local_owner
            )
        conversation = sessions.create_conversation(
            owner_id=request.user.id,
            session_id=data.validated_data["session_id"],
            title=data.validated_data["title"],
            directory=directory,
            now=timezone.now(),
        )
        return Response({"conversation_id": conversation.session_id, "session_id": conversation.session_id})


class ConversationDetail(APIView):
    required_scopes = {"GET": "read", "PATCH": "chat", "DELETE": "chat"}

    @extend_schema(
        operation_id="get_conversation",
        summary="A conversation with its newest messages, oldest first",
        parameters=[DetailQuery],
        responses={200: DetailOutput, **errors(404)},
        examples=examples(
            response={**EXAMPLE, "messages": [MESSAGE_EXAMPLE], "has_more": False, "before": None}
        ),
    )
    def get(self, request: Request, session_id: str) -> Response:
        query = DetailQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        page = transcripts.newest_messages(conversation, **query.validated_data)
        return Response(
            {
                **conversation_data(conversation),
                "messages": MessageOutput(page.messages, many=True).data,
                "has_more": page.before is not None,
                "before": page.before,
            }
        )

    @extend_schema(
        operation_id="change_conversation",
        summary="Rename a conversation, put it away or take it back, allow ads in it",
        request=ChangeInput,
        responses={200: ConversationOutput, **errors(404)},
        examples=examples(
            request={"title": "Fibonacci", "archived": True}, response={**EXAMPLE, "archived": True}
        ),
    )
    def patch(self, request: Request, session_id: str) -> Response:
        data = ChangeInput(data=request.data)
        data.is_valid(raise_exception=True)
        conversation = sessions.update_conversation(
            owner_id=request.user.id, session_id=session_id, changes=dict(data.validated_data)
        )
        return Response(conversation_data(conversation))

    @extend_schema(
        operation_id="delete_conversation",
        summary="Delete a conversation with everything in it; open runs are cancelled first",
        responses={
            200: DeletedOutput,
            202: OpenApiResponse(DeletedOutput, description="Its run is still being cancelled: ask again."),
            **errors(404, 409),
        },
        examples=examples(
            response={"session_id": "s1", "conversation_id": "s1", "deleted": True, "status": "deleted"}
        ),
    )
    def delete(self, request: Request, session_id: str) -> Response:
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        deletion = Deletion(conversation.id, session_id)
        status, body = deletion.finish()
        response = Response(body, status=status)
        if status == 202:
            response.waiting = deletion
        return response


@dataclass(frozen=True, slots=True)
class Deletion:
    """A deletion that may have to wait for a worker to let go. The web server waits without holding a thread."""

    conversation_id: int
    session_id: str

    async def wait(self) -> None:
        for _ in range(int(MOST_SECONDS_TO_DELETE / POLL_SECONDS)):
            is_open = database_sync_to_async(sessions.open_run_count, thread_sensitive=False)
            if not await is_open([self.conversation_id]):
                return
            await asyncio.sleep(POLL_SECONDS)

    def finish(self) -> tuple[int, dict[str, Any]]:
        """Deletes what has come to rest; else cancels what is open (new messages, too) and says so with 202."""
        is_deleted = sessions.delete_if_idle(conversation_id=self.conversation_id)
        if not is_deleted:
            runs.cancel_all(conversation_id=self.conversation_id, now=timezone.now())
            is_deleted = sessions.delete_if_idle(conversation_id=self.conversation_id)
        return 200 if is_deleted else 202, {
            "session_id": self.session_id,
            "conversation_id": self.session_id,
            "deleted": is_deleted,
            "status": "deleted" if is_deleted else "cancelling",
        }
