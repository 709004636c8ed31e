"""The moderation queue: flags that wait for a decision, and those that were decided."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from unfold.paginator import InfinitePaginator

from conversations import moderation, moderation_queue
from conversations.core.moderation import FlagOutcome, FlagState
from conversations.models import ModerationDecision, ModerationFlag, ModerationRule
from conversations.moderation import Outcome
from penguin_site.audit import record
from penguin_site.audit.staff_pages import AuditedAdmin
from penguin_site.errors import DomainError, InvalidRequest

TEMPLATES = "admin/conversations/moderationflag"
# As many as a page shows, and some.
MOST_AT_ONCE = 100

# What a moderator can press: its key, and what it decides. Restoring is offered where something is hidden.
BUTTONS = {
    "hide": ("h", FlagOutcome.HIDDEN),
    "dismiss": ("d", FlagOutcome.DISMISSED),
    "warn": ("w", FlagOutcome.WARNED),
    "block": ("b", FlagOutcome.BLOCKED),
    "restore": ("", FlagOutcome.RESTORED),
}
_DONE = {
    FlagOutcome.HIDDEN: "Hidden",
    FlagOutcome.RESTORED: "Shown again",
    FlagOutcome.DISMISSED: "Dismissed",
    FlagOutcome.WARNED: "Warned",
    FlagOutcome.BLOCKED: "Blocked",
}


@admin.register(ModerationFlag)
class ModerationFlagAdmin(AuditedAdmin):
    """Its list is the queue."""

    def get_urls(self) -> list[URLPattern]:
        own = [
            path(
                "decide/",
                self.admin_site.admin_view(self.decide_view),
                name="conversations_moderationflag_decide",
            ),
            path(
                "<int:flag_id>/context/",
                self.admin_site.admin_view(self.context_view),
                name="conversations_moderationflag_context",
            ),
        ]
        return [*own, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        record(
            request.user,
            "staff.listed",
            self.model._meta.label_lower,
            after={"query": request.GET.dict()},
            request=request,
        )
        chosen = {
            "rule_id": _number(request.GET.get("rule")),
            "age": request.GET.get("age", ""),
            "author": request.GET.get("author", "").strip()[:150],
        }
        after = _number(request.GET.get("after"))
        page = moderation_queue.waiting_flags(**chosen, after=after, now=timezone.now())
        following = request.GET.copy()
        following["after"] = str(page.next_after or "")
        return self._page(
            request,
            "queue.html",
            "Moderation queue",
            flags=page.flags,
            chosen=chosen,
            is_filtered=any(chosen.values()),
            rules=list(ModerationRule.objects.order_by("name").only("id", "name")),
            ages=moderation_queue.AGES,
            next_page=f"?{following.urlencode()}" if page.next_after else "",
            is_first=after is None,
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """One flag with everything around it, waiting or decided."""
        flag = self._seen_flag(request, _number(object_id))
        return self._page(
            request, "page.html", f"Flag {flag.pk}", flag=flag, said=moderation_queue.said_around(flag)
        )

    def context_view(self, request: HttpRequest, flag_id: int) -> HttpResponse:
        """What was said around a flag, for its card."""
        flag = self._seen_flag(request, flag_id)
        said = moderation_queue.said_around(flag)
        return TemplateResponse(request, f"{TEMPLATES}/context.html", {"flag": flag, "said": said})

    def decide_view(self, request: HttpRequest) -> HttpResponse:
        """Does what a button asks for: to the flag it belongs to (`?flag=`), else to all that are chosen."""
        if request.method != "POST" or not self.has_view_permission(request):
            raise PermissionDenied
        flag_ids = [
            int(text)
            for text in request.GET.getlist("flag") or request.POST.getlist("flag")
            if text.isdigit()
        ]
        try:
            done = _act(request, request.POST.get("action", ""), flag_ids[:MOST_AT_ONCE])
        except DomainError as error:
            return self._refused(request, error)
        if "application/json" in request.headers.get("Accept", ""):
            return JsonResponse({"results": [_result(outcome) for outcome in done]})
        for outcome in done:
            level = messages.ERROR if outcome.error else messages.SUCCESS
            messages.add_message(request, level, _sentence(outcome))
        return _back(request)

    def _refused(self, request: HttpRequest, error: DomainError) -> HttpResponse:
        if "application/json" in request.headers.get("Accept", ""):
            return JsonResponse(error.as_envelope(), status=error.status)
        messages.error(request, error.message)
        return _back(request)

    def _seen_flag(self, request: HttpRequest, flag_id: int | None) -> ModerationFlag:
        if not self.has_view_permission(request):
            raise PermissionDenied
        flag = moderation_queue.with_names(ModerationFlag.objects.filter(pk=flag_id)).first()
        if flag is None:
            raise Http404("There is no such flag.")
        record(request.user, "staff.looked", flag, request=request)
        return flag

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> HttpResponse:
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        may_block = request.user.has_perm(moderation.BLOCK)
        frame = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": title,
            "may_decide": request.user.has_perm(moderation.DECIDE),
            "may_block": may_block,
            "buttons": [
                (action, key)
                for action, (key, _) in BUTTONS.items()
                if key and (action != "block" or may_block)
            ],
            "decide_url": reverse("admin:conversations_moderationflag_decide"),
        }
        return TemplateResponse(request, f"{TEMPLATES}/{template}", {**frame, **context})


def _act(request: HttpRequest, action: str, flag_ids: list[int]) -> list[Outcome]:
    now = timezone.now()
    if not flag_ids:
        raise InvalidRequest("Choose a flag first.")
    if action in BUTTONS:
        return moderation.decide_many(
            flag_ids=flag_ids,
            outcome=BUTTONS[action][1],
            reason=request.POST.get("reason", ""),
            by=request.user,
            now=now,
            request=request,
        )
    act = _SINGLE.get(action)
    if act is None:
        raise InvalidRequest("There is no such action.")
    return [_alone(act, request, flag_id) for flag_id in flag_ids]


def _alone(act: Callable[[HttpRequest, int], ModerationFlag], request: HttpRequest, flag_id: int) -> Outcome:
    try:
        return Outcome(flag_id, act(request, flag_id))
    except DomainError as error:
        return Outcome(flag_id, None, error)


def _reopen(request: HttpRequest, flag_id: int) -> ModerationFlag:
    return moderation.reopen(flag_id=flag_id, by=request.user, now=timezone.now(), request=request)


def _claim(request: HttpRequest, flag_id: int) -> ModerationFlag:
    return moderation.claim(flag_id=flag_id, by=request.user, now=timezone.now(), request=request)


def _release(request: HttpRequest, flag_id: int) -> ModerationFlag:
    return moderation.release(flag_id=flag_id, by=request.user, request=request)


_SINGLE = {"reopen": _reopen, "claim": _claim, "release": _release}


def _result(outcome: Outcome) -> dict[str, Any]:
    flag = outcome.flag
    error = {"code": outcome.error.code} if outcome.error else {}
    return {
        "flag": outcome.flag_id,
        "done": outcome.error is None,
        "text": _sentence(outcome),
        "state": flag.state if flag else None,
        # Flags of the same message that are in the same state now: one decision may settle or reopen several.
        "settled": moderation.settled_with(flag) if flag else [],
        **error,
    }


def _sentence(outcome: Outcome) -> str:
    if outcome.flag is None:
        return outcome.error.message if outcome.error else ""
    if outcome.flag.state == FlagState.DECIDED.value:
        word = _DONE[FlagOutcome(outcome.flag.outcome)]
        who = outcome.flag.decided_by.get_username() if outcome.flag.decided_by else "somebody"
        return f"{word} by {who}."
    if outcome.flag.state == FlagState.CLAIMED.value:
        return f"{outcome.flag.claimed_by} is looking at it."
    return "It waits again."


def _back(request: HttpRequest) -> HttpResponseRedirect:
    target = request.POST.get("back", "")
    ours = url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return HttpResponseRedirect(target if ours else reverse("admin:conversations_moderationflag_changelist"))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


class DecidedByFilter(admin.SimpleListFilter):
    title = "who decided"
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("me", "I")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(decided_by=request.user) if self.value() == "me" else queryset


@admin.register(ModerationDecision)
class ModerationDecisionAdmin(AuditedAdmin):
    """What was decided, the newest first; each can be taken back."""

    list_display = [
        "decided_at",
        "outcome",
        "rule",
        "excerpt_in_short",
        "author",
        "decided_by",
        "reason_in_short",
    ]
    list_select_related = ["rule", "author", "decided_by"]
    list_filter = ["outcome", DecidedByFilter]
    search_fields = ["author__username__exact"]
    search_help_text = "Whole user name of the author"
    ordering = ["-decided_at", "-id"]
    paginator = InfinitePaginator
    sortable_by = ()
    actions = ["take_back", "show_again"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).filter(state=FlagState.DECIDED.value)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:conversations_moderationflag_change", args=[object_id]))

    @admin.display(description="Excerpt")
    def excerpt_in_short(self, flag: ModerationFlag) -> str:
        return flag.excerpt if len(flag.excerpt) <= 90 else f"{flag.excerpt[:89]}…"

    @admin.display(description="Reason")
    def reason_in_short(self, flag: ModerationFlag) -> str:
        return flag.reason if len(flag.reason) <= 60 else f"{flag.reason[:59]}…"

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm(moderation.DECIDE))

    @admin.action(description="Take the decision back", permissions=["decide"])
    def take_back(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        self._tell(request, (_alone(_reopen, request, flag_id) for flag_id in _ids(queryset)))

    @admin.action(description="Show the hidden message again", permissions=["decide"])
    def show_again(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        done = moderation.decide_many(
            flag_ids=_ids(queryset),
            outcome=FlagOutcome.RESTORED,
            reason="",
            by=request.user,
            now=timezone.now(),
            request=request,
        )
        self._tell(request, done)

    def _tell(self, request: HttpRequest, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.message_user(
                request, _sentence(outcome), messages.ERROR if outcome.error else messages.SUCCESS
            )


def _ids(queryset: QuerySet[Any]) -> list[int]:
    return list(queryset.values_list("pk", flat=True)[:MOST_AT_ONCE])
