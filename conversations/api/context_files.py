"""Context files: list them, load them into a conversation."""

from datetime import UTC, datetime

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import context_files
from conversations.api.fields import StrictCharField
from conversations.api.schema import errors, examples
from conversations.core.token_estimate import text_tokens
from penguin_site.idempotency import idempotent


class ContextFileOutput(serializers.Serializer):
    path = serializers.CharField(help_text="Relative to the context folder; what `load` takes.")
    size = serializers.IntegerField()
    modified = serializers.DateTimeField()


class ContextFilesOutput(serializers.Serializer):
    files = ContextFileOutput(many=True)


class LoadInput(serializers.Serializer):
    file_path = StrictCharField(max_length=4096)
    session_id = StrictCharField(required=False, allow_null=True, default=None, max_length=128)


class LoadOutput(serializers.Serializer):
    success = serializers.BooleanField()
    file_path = serializers.CharField()
    size = serializers.IntegerField(help_text="In bytes.")
    tokens = serializers.IntegerField(help_text="An estimate.")
    session_id = serializers.CharField()
    conversation_id = serializers.CharField()
    message_id = serializers.UUIDField()


class ContextFileList(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_context_files",
        summary="The files in one's context folder",
        responses={200: ContextFilesOutput},
        examples=examples(
            response={
                "files": [{"path": "docs/api_reference.md", "size": 8123, "modified": "2024-03-30T12:34:56Z"}]
            }
        ),
    )
    def get(self, request: Request) -> Response:
        files = context_files.list_context_files(request.user.id, is_local_owner=request.auth.is_local_owner)
        return Response(
            {
                "files": [
                    {
                        "path": file.path,
                        "size": file.size,
                        "modified": datetime.fromtimestamp(file.modified_at, UTC),
                    }
                    for file in files
                ]
            }
        )


class ContextFileLoad(APIView):
    required_scopes = {"POST": "chat"}

    @extend_schema(
        operation_id="load_context_file",
        summary="Put a context file into a conversation (a new one without `session_id`)",
        request=LoadInput,
        responses={200: LoadOutput, **errors(404, 413, 415)},
        examples=examples(
            request={"file_path": "docs/api_reference.md"},
            response={
                "success": True,
                "file_path": "docs/api_reference.md",
                "size": 8123,
                "tokens": 2031,
                "session_id": "conversation_20240330_123456_0a1b2c3d",
                "conversation_id": "conversation_20240330_123456_0a1b2c3d",
                "message_id": "018e8f5a-0000-7000-8000-000000000001",
            },
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        data = LoadInput(data=request.data)
        data.is_valid(raise_exception=True)
        file = context_files.read_context_file(
            data.validated_data["file_path"],
            user_id=request.user.id,
            is_local_owner=request.auth.is_local_owner,
        )
        conversation, message_id = context_files.load_context_file(
            file, owner_id=request.user.id, session_id=data.validated_data["session_id"], now=timezone.now()
        )
        return Response(
            {
                "success": True,
                "file_path": file.path,
                "size": file.size,
                "tokens": text_tokens(file.text),
                "session_id": conversation.session_id,
                "conversation_id": conversation.session_id,
                "message_id": message_id,
            }
        )
