"""What only the chat page asks for: conversations made ready to be shown, Markdown as HTML, folders to choose from."""

import os
from pathlib import Path
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import directories, runs, sessions
from conversations.api.fields import QueryIntegerField, StrictCharField
from penguin_site.errors import NotFound
from penguin_site.pages import chat_turns
from penguin_site.pages.markdown import to_html

MOST_FOLDERS = 300


class EarlierQuery(serializers.Serializer):
    before = QueryIntegerField(min_value=1)


class RenderInput(serializers.Serializer):
    text = StrictCharField(allow_blank=True, trim_whitespace=False)


class FoldersQuery(serializers.Serializer):
    path = serializers.CharField(required=False, allow_blank=True, default="", max_length=4096)


class PageData(APIView):
    """No part of the API: it changes with the page."""

    required_scopes: Any = {"GET": "read"}


@extend_schema(exclude=True)
class OpenedConversation(PageData):
    def get(self, request: Request, session_id: str) -> Response:
        return Response(chat_turns.opened(owner_id=request.user.id, session_id=session_id))


@extend_schema(exclude=True)
class EarlierTurns(PageData):
    def get(self, request: Request, session_id: str) -> Response:
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        query = EarlierQuery(data={"before": "1", **request.query_params.dict()})
        query.is_valid(raise_exception=True)
        return Response(chat_turns.earlier(conversation, **query.validated_data))


@extend_schema(exclude=True)
class TurnOfRun(PageData):
    def get(self, request: Request, run_id: UUID) -> Response:
        run = runs.find_run(run_id, owner_id=request.user.id)
        return Response({"turn": chat_turns.turn_of(run)})


@extend_schema(exclude=True)
class TurnOfMessage(PageData):
    def get(self, request: Request, session_id: str, message_id: UUID) -> Response:
        conversation = sessions.get_conversation(owner_id=request.user.id, session_id=session_id)
        return Response({"turn": chat_turns.turn_with(conversation, message_id)})


@extend_schema(exclude=True)
class Rendered(PageData):
    """Nothing is stored: POST because the text is long."""

    required_scopes = {"POST": "read"}

    def post(self, request: Request) -> Response:
        data = RenderInput(data=request.data)
        data.is_valid(raise_exception=True)
        return Response({"html": to_html(data.validated_data["text"])})


@extend_schema(exclude=True)
class Folders(PageData):
    """The folders in a directory that a conversation may be bound to; without a path, in one's own workspace."""

    def get(self, request: Request) -> Response:
        query = FoldersQuery(data=request.query_params.dict())
        query.is_valid(raise_exception=True)
        is_local_owner = request.auth.is_local_owner
        path = query.validated_data["path"]
        if not path:
            path = str(directories.own_workspace(request.user.id, is_local_owner=is_local_owner))
        found = directories.resolve_directory(path, user_id=request.user.id, is_local_owner=is_local_owner)
        parent = str(Path(found.path).parent)
        try:
            directories.resolve_directory(parent, user_id=request.user.id, is_local_owner=is_local_owner)
        except directories.InvalidDirectory:
            parent = ""
        return Response({"path": found.path, "parent": parent, "folders": _folders_in(found.path)})


def _folders_in(path: str) -> list[str]:
    """Names, without hidden ones."""
    try:
        with os.scandir(path) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except OSError:
        raise NotFound("This folder cannot be read.") from None
    # A name of broken bytes could not be sent back.
    return sorted(name for name in names if name.isprintable())[:MOST_FOLDERS]
