"""Groups of staff and what each may do: one table, and what makes the database agree with it after every migration.

A permission whose model is not there is left out. The groups hold just what stands here: who needs something else makes
a group of another name.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.apps import AppConfig, apps
from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission
from django.db import transaction


def _views(app: str, *models: str) -> tuple[str, ...]:
    return tuple(f"{app}.view_{model}" for model in models)


_READING = _views("conversations", "conversation", "message", "run")
_CONVERSATIONS = (*_READING, *_views("conversations", "modelcall", "approval", "grant", "question"))
_MODERATION = (
    *_views(
        "conversations", "moderationflag", "moderationdecision", "moderationrule", "userwarning", "userblock"
    ),
    *_views("conversations", "messagefeedback"),
    "penguin_site.view_user",
)
_TASKS = _views("tasks", "project", "task", "execution", "projectrun", "schedule")
_ADS = _views(
    "ads", "advertiser", "agent", "campaign", "adunit", "unitreview", "policyphrase", "blockedcategory", "feedback",
    "featureswitch", "decision", "adevent", "invalidmark", "trafficreversal", "session", "sessionmessage",
    "servicetransaction", "rating",
)  # fmt: skip
_MONEY = _views(
    "ads", "account", "ledgertransaction", "ledgercheck", "posting", "payout", "payoutbatch", "wallet",
    "campaignbudget", "advertiser", "agent", "campaign", "decision", "adevent", "invalidmark", "trafficreversal",
    "session", "servicetransaction",
)  # fmt: skip

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "moderator": (
        *_CONVERSATIONS,
        *_MODERATION,
        *_TASKS,
        "conversations.decide_moderationflag",
        "conversations.block_author",
        "conversations.add_moderationrule",
        "conversations.change_moderationrule",
        "conversations.change_approval",
        "conversations.change_grant",
        "conversations.change_run",
        "tasks.change_task",
        "tasks.change_execution",
        "penguin_site.block_user",
    ),
    "feedback reviewer": (
        *_READING,
        *_views("conversations", "messagefeedback"),
        "conversations.change_messagefeedback",
        "conversations.export_messagefeedback",
        *_views("ads", "feedback", "agent"),
        "ads.void_feedback",
    ),
    "ads reviewer": (
        *_ADS,
        "ads.review_adunit",
        "ads.approve_agent",
        "ads.change_advertiser",
        "ads.change_campaign",
        "ads.change_featureswitch",
        "ads.add_policyphrase",
        "ads.change_policyphrase",
        "ads.delete_policyphrase",
        "ads.add_blockedcategory",
        "ads.delete_blockedcategory",
    ),
    "finance": (
        *_MONEY,
        *_views("ads", "adkey"),
        "ads.add_advertiser",
        "ads.change_advertiser",
        "ads.add_adkey",
        "ads.change_adkey",
        "ads.top_up_wallet",
        "ads.add_ledgercheck",
        "ads.add_payoutbatch",
        "ads.export_payoutbatch",
        "ads.settle_payoutbatch",
        "ads.add_trafficreversal",
    ),
    "auditor": (
        *_CONVERSATIONS,
        *_MODERATION,
        *_TASKS,
        *_ADS,
        *_MONEY,
        *_views("ads", "adkey"),
        *_views("conversations", "worker"),
        "auth.view_group",
        *_views("penguin_site", "apikey", "auditentry"),
    ),
}


def ensure_groups() -> None:
    """Makes the groups hold what PERMISSIONS says, as far as these permissions are known."""
    wanted = {name for names in PERMISSIONS.values() for name in names}
    known = _known(wanted)
    with transaction.atomic():
        for group_name, names in PERMISSIONS.items():
            group, _ = Group.objects.get_or_create(name=group_name)
            group.permissions.set(known[name] for name in names if name in known)


def _known(names: Iterable[str]) -> dict[str, Permission]:
    by_app: dict[str, set[str]] = defaultdict(set)
    for name in names:
        app, _, codename = name.partition(".")
        by_app[app].add(codename)
    found = Permission.objects.select_related("content_type").filter(content_type__app_label__in=by_app)
    return {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in found
        if permission.codename in by_app[permission.content_type.app_label]
    }


def last_app() -> AppConfig:
    """The app whose migrations are announced last: by then all permissions but its own are made."""
    return [app for app in apps.get_app_configs() if app.models_module][-1]


def after_migrate(sender: AppConfig, **options: Any) -> None:
    """Receives `post_migrate` of the last app."""
    using = options.get("using", "default")
    # Who makes the permissions receives the same signal, and perhaps later.
    create_permissions(sender, verbosity=0, using=using)
    if using == "default" and Permission.objects.filter(content_type__app_label="penguin_site").exists():
        ensure_groups()
