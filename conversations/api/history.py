"""What a conversation holds, in other forms: its log, a snapshot, search hits, an export, a fork."""

from collections.abc import Iterator
from typing import IO

from django.http import StreamingHttpResponse
from django.utils import timezone
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import event_pages, export, forks, search, sessions, snapshots
from conversations.api.fields import QueryIntegerField, StrictUUIDField
from conversations.api.schema import errors, examples
from conversations.api.serializers import MessageOutput, OpenRunOutput, PageQuery
from conversations.api.sessions import EXAMPLE, MESSAGE_EXAMPLE, CreateOutput
from penguin_site.idempotency import idempotent

_CHUNK_BYTES = 64 * 1024


class EventsQuery(serializers.Serializer):
    after = serializers.CharField(
        allow_blank=True, default="", max_length=64, help_text="A cursor; exclusive."
    )
    limit = QueryIntegerField(min_value=1, max_value=1000, default=200)


class EventOutput(serializers.Serializer):
    cursor = serializers.CharField()
    type = serializers.CharField()
    run_id = serializers.UUIDField(allow_null=True)
    attempt = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    payload = serializers.DictField()


class EventsOutput(serializers.Serializer):
    outcome = serializers.ChoiceField(
        ["replay", "replay_gap", "cursor_reset"],
        help_text="`replay_gap`: what came behind the cursor is not kept any more; `cursor_reset`: the cursor is "
        "of another log. Both: take the snapshot.",
    )
    events = EventOutput(many=True)
    next_cursor = serializers.CharField(
        allow_null=True, help_text="Read on after this one; null: from a snapshot."
    )
    head = serializers.CharField(help_text="The cursor of the newest event.")
    has_more = serializers.BooleanField()
    snapshot = serializers.CharField(required=False, help_text="Where to get one, when it is needed.")


class OpenPartOutput(serializers.Serializer):
    run_id = serializers.UUIDField()
    part_id = serializers.UUIDField()
    kind = serializers.ChoiceField(["text", "reasoning"])
    text = serializers.CharField(allow_blank=True)
    length = serializers.IntegerField(help_text="In code points: where the live text goes on.")


class SnapshotQuery(serializers.Serializer):
    limit = QueryIntegerField(
        min_value=1, max_value=1000, default=200, help_text="The newest so many messages."
    )


class SnapshotOutput(serializers.Serializer):
    session_id = serializers.CharField()
    id = serializers.CharField()
    conversation_id = serializers.CharField()
    title = serializers.CharField()
    directory = serializers.CharField(allow_null=True)
    archived = serializers.BooleanField()
    sponsored = serializers.BooleanField()
    status = serializers.ChoiceField(["idle", "busy", "waiting"])
    message_count = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    last_active = serializers.DateTimeField()
    messages = MessageOutput(many=True)
    has_more = serializers.BooleanField()
    before = serializers.UUIDField(allow_null=True)
    active_run = OpenRunOutput(allow_null=True)
    queued_runs = OpenRunOutput(many=True)
    open_parts = OpenPartOutput(many=True, help_text="Text that is being written: in no message yet.")
    open_calls = serializers.ListField(
        child=serializers.DictField(), help_text="Tool calls of the active run that have not ended."
    )
    approvals = serializers.ListField(child=serializers.DictField(), help_text="Open ones.")
    questions = serializers.ListField(child=serializers.DictField(), help_text="Open ones.")
    todos = serializers.ListField(child=serializers.DictField(), help_text="The agent's list.")
    cursor = serializers.CharField(
        help_text="Everything up to here is in the snapshot; the log goes on behind it."
    )


class SearchQuery(PageQuery):
    q = serializers.CharField(max_length=400, help_text='Words; "a phrase", `or` and `-not` work.')
    limit = QueryIntegerField(min_value=1, max_value=100, default=20)


class HitOutput(serializers.Serializer):
    session_id = serializers.CharField()
    conversation_id = serializers.CharField(source="session_id")
    title = serializers.CharField()
    message_id = serializers.UUIDField()
    role = serializers.ChoiceField(["user", "assistant", "tool"])
    created_at = serializers.DateTimeField()
    excerpt = serializers.CharField(help_text="Escaped HTML; the found words stand in `<mark>`.")


class SearchOutput(serializers.Serializer):
    results = HitOutput(many=True)
    next_cursor = serializers.CharField(allow_null=True)


class ExportQuery(serializers.Serializer):
    format = serializers.ChoiceField(["json", "markdown"], default="json")


class ForkInput(serializers.Serializer):
    message_id = StrictUUIDField(required=False, allow_null=True, default=None)


class ForkOutput(CreateOutput):
    forked_from = serializers.CharField()
    message_count = serializers.IntegerField()


class ConversationEvents(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_conversation_events",
        summary="The durable log of a conversation, oldest first",
        parameters=[EventsQuery],
        responses={200: EventsOutput, **errors(404)},
        examples=examples(
            response={
                "outcome": "replay",
                "events": [
                    {
                        "cursor": "0a1b2c3d:1",
                        "type": "conversation.created",
                        "run_id": None,
                        "attempt": 0,
                        "created_at": "2024-03-30T12:34:56Z",
                        "payload": {"title": "Fibonacci"},
                    }
                ],
                "next_cursor": "0a1b2c3d:1",
                "head": "0a1b2c3d:1",
                "has_more": False,
            }
        ),
    )
    def get(self, request: Request, session_id: str) -> Response:
        query = EventsQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        page = event_pages.read_events(conversation, **query.validated_data)
        body = {
            "outcome": page.outcome,
            "events": page.events,
            "next_cursor": page.next_cursor,
            "head": page.head,
            "has_more": page.has_more,
        }
        if page.next_cursor is None:
            body["snapshot"] = f"/api/v1/conversations/{session_id}/snapshot"
        return Response(body)


class ConversationSnapshot(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_conversation_snapshot",
        summary="The whole state of a conversation at one moment, and the cursor to go on from",
        parameters=[SnapshotQuery],
        responses={200: SnapshotOutput, **errors(404)},
    )
    def get(self, request: Request, session_id: str) -> Response:
        query = SnapshotQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        return Response(
            snapshots.take_snapshot(owner_id=request.user.id, session_id=session_id, **query.validated_data)
        )


class ConversationSearch(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="search_conversations",
        summary="Messages of one's conversations that have these words, newest first",
        parameters=[SearchQuery],
        responses={200: SearchOutput},
        examples=examples(
            response={
                "results": [
                    {
                        "session_id": EXAMPLE["session_id"],
                        "conversation_id": EXAMPLE["session_id"],
                        "title": EXAMPLE["title"],
                        "message_id": MESSAGE_EXAMPLE["id"],
                        "role": "user",
                        "created_at": MESSAGE_EXAMPLE["created_at"],
                        "excerpt": "a Python function to calculate the <mark>Fibonacci</mark> sequence.",
                    }
                ],
                "next_cursor": None,
            }
        ),
    )
    def get(self, request: Request) -> Response:
        query = SearchQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        values = query.validated_data
        page = search.search_messages(
            owner_id=request.user.id, query=values["q"], limit=values["limit"], cursor=values["cursor"]
        )
        return Response({"results": HitOutput(page.rows, many=True).data, "next_cursor": page.next_cursor})


class ConversationExport(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="export_conversation",
        summary="A whole conversation as a file; recognised secrets are replaced by [redacted]",
        parameters=[ExportQuery],
        responses={
            (200, "application/json"): OpenApiResponse(OpenApiTypes.OBJECT),
            (200, "text/markdown"): OpenApiResponse(OpenApiTypes.STR),
            **errors(404),
        },
    )
    def get(self, request: Request, session_id: str) -> StreamingHttpResponse:
        query = ExportQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        if query.validated_data["format"] == "json":
            file, content_type, extension = export.export_json(conversation), "application/json", "json"
        else:
            file, content_type, extension = (
                export.export_markdown(conversation),
                "text/markdown; charset=utf-8",
                "md",
            )
        size = file.seek(0, 2)
        file.seek(0)
        name = f"{session_id.replace(':', '_')}.{extension}"
        return StreamingHttpResponse(
            _chunks(file),
            content_type=content_type,
            headers={
                "Content-Disposition": content_disposition_header(as_attachment=True, filename=name),
                "Content-Length": str(size),
                "X-Content-Type-Options": "nosniff",
            },
        )


class ConversationFork(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        operation_id="fork_conversation",
        summary="A new conversation with the history up to and including a message",
        request=ForkInput,
        responses={200: ForkOutput, **errors(404, 409)},
        examples=examples(
            request={"message_id": MESSAGE_EXAMPLE["id"]},
            response={
                "conversation_id": EXAMPLE["id"],
                "session_id": EXAMPLE["id"],
                "forked_from": "repo-session-1",
                "message_count": 2,
            },
        ),
    )
    @idempotent
    def post(self, request: Request, session_id: str) -> Response:
        data = ForkInput(data=request.data)
        data.is_valid(raise_exception=True)
        fork = forks.fork_conversation(
            owner_id=request.user.id, session_id=session_id, now=timezone.now(), **data.validated_data
        )
        return Response(
            {
                "conversation_id": fork.session_id,
                "session_id": fork.session_id,
                "forked_from": session_id,
                "message_count": fork.message_count,
            }
        )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
