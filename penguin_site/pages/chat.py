"""The chat page. All of it but the frame is drawn by its script, from what stands in the page and what it asks for."""

from urllib.parse import quote

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import ensure_csrf_cookie

from conversations import sandbox, sponsored
from penguin_site.error_pages import page_not_found
from penguin_site.errors import NotFound
from penguin_site.pages import chat_turns
from penguin_site.pages.people import person_of

# Levels of the sandbox, for people.
_SANDBOX = {
    sandbox.Level.BUBBLEWRAP: "Commands run in a sandbox (bubblewrap).",
    sandbox.Level.LANDLOCK: "Commands run in a sandbox (Landlock).",
    sandbox.Level.NONE: "There is no sandbox here: commands are not run.",
}
# What main.js imports: fetched side by side with it, as each step of a chain of imports costs a round trip.
_MODULES = ("api", "cards", "composer", "connection", "dom", "folders", "sidebar", "sponsored", "storage", "text_part",
            "transcript", "turn", "work")  # fmt: skip


@method_decorator(ensure_csrf_cookie, name="dispatch")
class Chat(View):
    """A new conversation, or the named one; for those who are signed in."""

    def get(self, request: HttpRequest, session_id: str = "") -> HttpResponse:
        person = person_of(request)
        if person is None:
            return redirect(f"{settings.LOGIN_URL}?next={quote(request.path)}")
        conversation = None
        if session_id:
            try:
                conversation = chat_turns.opened(owner_id=person.pk, session_id=session_id)
            except NotFound as error:
                return page_not_found(request, error)
        context = {
            "person": person.get_username(),
            "can_sign_out": request.user.is_authenticated,
            "conversation": conversation,
            "title": (conversation or {}).get("title") or "New conversation",
            "settings": {
                "model": settings.PENGUIN_MODEL,
                "upload_bytes": settings.PENGUIN_UPLOAD_MAX_BYTES,
                "sponsored": sponsored.is_allowed(person.pk),
            },
            "sandbox": _SANDBOX[sandbox.level()],
            "modules": _MODULES,
        }
        return render(request, "penguin_site/chat.html", context)
