"""A conversation as its owner saw it, to read: the page of staff beside its runs and its log."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse

from conversations.models import Conversation
from penguin_site.audit import record
from penguin_site.audit.staff_pages import require
from penguin_site.pages import chat_turns

_LARGEST_TURN = (1 << 63) - 1


def transcript(request: HttpRequest, conversation_id: int) -> HttpResponse:
    """Its last turns, or those in front of the turn `before`. Each look is audited."""
    require(request, "conversations.view_message")
    rows = Conversation.objects.select_related("owner")
    conversation = get_object_or_404(rows, pk=conversation_id)
    after = {"part": "transcript", "query": request.GET.dict()}
    record(request.user, "staff.looked", conversation, after=after, request=request)
    asked = request.GET.get("before", "")
    before = int(asked) if asked.isdecimal() and 0 < int(asked) <= _LARGEST_TURN else _LARGEST_TURN
    request.current_app = admin.site.name  # type: ignore[attr-defined]
    context = {
        **admin.site.each_context(request),
        "opts": Conversation._meta,
        "original": conversation,
        "title": f"Transcript of {conversation}",
        **chat_turns.earlier(conversation, before=before),
    }
    return TemplateResponse(request, "penguin_site/staff/transcript.html", context)
