"""The sidebar of the admin: grouped by what people do, with only what the person may see, and with what waits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from penguin_site.staff import figures


@dataclass(frozen=True, slots=True)
class Item:
    """A link. `model` (`app.model`) stands for its list and the permission to see it, where these are not named."""

    title: str
    icon: str
    model: str = ""
    url: str = ""
    permission: str = ""
    badge: str = ""

    @property
    def target(self) -> str:
        return self.url or f"admin:{self.model.replace('.', '_')}_changelist"

    def is_for(self, user: Any) -> bool:
        app, _, model = self.model.partition(".")
        needed = self.permission or (f"{app}.view_{model}" if model else "")
        # Whoever may change a thing may look at it, as everywhere in the admin.
        return not needed or user.has_perm(needed) or user.has_perm(needed.replace(".view_", ".change_"))


# Models of which there is no page (yet) are left out; pages of models that do not stand here follow in their group.
GROUPS: tuple[tuple[str, tuple[Item, ...]], ...] = (
    (
        "Overview",
        (
            Item("Dashboard", "space_dashboard", url="admin:index"),
            Item("Usage", "bar_chart", url="staff_usage", permission="conversations.view_modelcall"),
        ),
    ),
    (
        "Moderation",
        (
            Item(
                "Approvals inbox",
                "approval_delegation",
                url="admin:conversations_approval_inbox",
                permission="conversations.view_approval",
                badge="approvals",
            ),
            Item("Moderation queue", "flag", "conversations.moderationflag", badge="flags"),
            Item("Decisions", "gavel", "conversations.moderationdecision"),
            Item("Moderation rules", "rule", "conversations.moderationrule"),
            Item("Warnings", "warning", "conversations.userwarning"),
            Item("Blocks", "person_off", "conversations.userblock"),
            Item("Feedback on answers", "thumbs_up_down", "conversations.messagefeedback", badge="feedback"),
            Item("Feedback on ads", "reviews", "ads.feedback"),
            Item(
                "Accuracy of agents",
                "target",
                url="admin:ads_feedback_accuracy",
                permission="ads.view_feedback",
            ),
        ),
    ),
    (
        "Conversations",
        (
            Item("Conversations", "forum", "conversations.conversation"),
            Item("Messages", "chat_bubble", "conversations.message"),
            Item("Runs", "play_circle", "conversations.run"),
            Item("Model calls", "neurology", "conversations.modelcall"),
            Item("All approvals", "fact_check", "conversations.approval"),
            Item("Grants", "key_vertical", "conversations.grant"),
            Item("Questions", "contact_support", "conversations.question"),
        ),
    ),
    (
        "Tasks",
        (
            Item(
                "Board",
                "view_kanban",
                url="admin:tasks_task_board",
                permission="tasks.view_task",
                badge="reviews",
            ),
            Item("Tasks", "task_alt", "tasks.task"),
            Item("Executions", "motion_play", "tasks.execution"),
            Item("Projects", "folder_open", "tasks.project"),
            Item("Project runs", "playlist_play", "tasks.projectrun"),
            Item("Schedules", "schedule", "tasks.schedule"),
        ),
    ),
    (
        "Ads",
        (
            Item(
                "Ads to review",
                "rate_review",
                url="admin:ads_unitreview_queue",
                permission="ads.review_adunit",
            ),
            Item("All ads", "ad", "ads.adunit"),
            Item("Reviews", "history_edu", "ads.unitreview"),
            Item("Policy phrases", "spellcheck", "ads.policyphrase"),
            Item("Blocked categories", "category", "ads.blockedcategory"),
            Item("Campaigns", "campaign", "ads.campaign"),
            Item("Advertisers", "storefront", "ads.advertiser"),
            Item("Agents", "smart_toy", "ads.agent"),
            Item("Decisions", "alt_route", "ads.decision"),
            Item("Events", "ads_click", "ads.adevent"),
            Item("Sessions", "record_voice_over", "ads.session"),
            Item("Service transactions", "handshake", "ads.servicetransaction"),
            Item("Ratings", "star_rate", "ads.rating"),
            Item("Feature switches", "toggle_on", "ads.featureswitch"),
        ),
    ),
    (
        "Money",
        (
            Item("Accounts", "account_balance", "ads.account"),
            Item("Ledger", "receipt_long", "ads.ledgertransaction"),
            Item("Ledger checks", "verified", "ads.ledgercheck"),
            Item(
                "Earnings",
                "savings",
                url="admin:ads_payoutbatch_earnings",
                permission="ads.view_payoutbatch",
            ),
            Item("Payouts", "payments", "ads.payoutbatch"),
            Item("Invalid traffic", "block", "ads.invalidmark"),
            Item("Reversals", "undo", "ads.trafficreversal"),
        ),
    ),
    (
        "Access",
        (
            Item("People", "person", "penguin_site.user"),
            Item("Groups", "groups", "auth.group"),
            Item("API keys", "key", "penguin_site.apikey"),
            Item("Ad keys", "vpn_key", "ads.adkey"),
        ),
    ),
    (
        "System",
        (
            Item("Audit", "history", "penguin_site.auditentry"),
            Item("Workers", "memory", "conversations.worker"),
        ),
    ),
)
_GROUP_OF_APP = {"conversations": "Moderation", "tasks": "Tasks", "ads": "Ads"}
_REST = "System"


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """For django-unfold's SIDEBAR: groups of links."""
    shown = [(title, list(_shown(request, items))) for title, items in _with_the_rest()]
    here = _longest_match(request.path, [link["link"] for _, links in shown for link in links])
    for _, links in shown:
        for link in links:
            link["active"] = link["link"] == here
    return [{"title": title, "items": links} for title, links in shown if links]


def _with_the_rest() -> Iterator[tuple[str, list[Item]]]:
    named = {item.model for _, items in GROUPS for item in items}
    rest: dict[str, list[Item]] = {}
    for model in admin.site._registry:
        if model._meta.label_lower not in named:
            title = str(model._meta.verbose_name_plural).capitalize()
            group = _GROUP_OF_APP.get(model._meta.app_label, _REST)
            rest.setdefault(group, []).append(Item(title, "list", model._meta.label_lower))
    for title, items in GROUPS:
        yield title, [*items, *rest.get(title, [])]


def _shown(request: HttpRequest, items: list[Item]) -> Iterator[dict[str, Any]]:
    for item in items:
        if not item.is_for(request.user):
            continue
        try:
            link = {"title": item.title, "icon": item.icon, "link": reverse(item.target)}
        except NoReverseMatch:
            continue
        if item.badge and (count := waiting(item.badge)):
            link["badge"] = f"{count}+" if count >= figures.MOST_COUNTED else str(count)
        yield link


def waiting(what: str) -> int:
    """How much of something waits for a person."""
    match what:
        case "approvals":
            return figures.of_conversations().approvals
        case "feedback":
            return figures.of_conversations().new_feedback
        case "reviews":
            return figures.of_tasks().reviews
        case "flags":
            return figures.open_flags()
    raise ValueError(what)


def _longest_match(path: str, links: list[str]) -> str:
    index = reverse("admin:index")
    fitting = [link for link in links if path == link or (link != index and path.startswith(link))]
    return max(fitting, key=len, default="")
