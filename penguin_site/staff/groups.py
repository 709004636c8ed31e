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

_CONVERSATIONS = tuple(
    f"conversations.view_{model}"
    for model in ("conversation", "message", "run", "modelcall", "approval", "grant")
)
_TASKS = tuple(f"tasks.view_{model}" for model in ("project", "task", "execution", "projectrun", "schedule"))
_ADS = tuple(
    f"ads.view_{model}"
    for model in (
        "advertiser", "agent", "campaign", "adunit", "creative", "creativereview", "categoryrule", "policyrule",
        "feedback", "featureswitch", "rollup", "invalidmark",
    )
)  # fmt: skip
_MONEY = tuple(
    f"ads.view_{model}"
    for model in (
        "account", "ledgertransaction", "posting", "payout", "payoutbatch", "wallet", "campaignbudget", "rollup",
        "invalidmark", "advertiser", "agent", "campaign",
    )
)  # fmt: skip
_MODERATION = (
    "conversations.view_moderationflag",
    "conversations.view_moderationrule",
    "conversations.view_moderationphrase",
    "conversations.view_policyexample",
    "conversations.view_messagefeedback",
    "penguin_site.view_user",
)

PERMISSIONS: dict[str, tuple[str, ...]] = {
    "moderator": (
        *_CONVERSATIONS,
        *_MODERATION,
        *_TASKS,
        "conversations.change_moderationflag",
        "conversations.change_moderationrule",
        "conversations.add_moderationrule",
        "conversations.change_moderationphrase",
        "conversations.add_moderationphrase",
        "conversations.change_policyexample",
        "conversations.add_policyexample",
        "conversations.change_approval",
        "conversations.change_grant",
        "conversations.change_run",
        "tasks.change_task",
        "tasks.change_execution",
        "penguin_site.block_user",
    ),
    "feedback reviewer": (
        "conversations.view_messagefeedback",
        "conversations.change_messagefeedback",
        "conversations.view_conversation",
        "conversations.view_message",
        "conversations.view_run",
        "ads.view_feedback",
        "ads.change_feedback",
        "ads.view_agent",
    ),
    "ads reviewer": (
        *_ADS,
        "ads.change_adunit",
        "ads.change_creative",
        "ads.add_creativereview",
        "ads.change_creativereview",
        "ads.change_advertiser",
        "ads.change_campaign",
        "ads.change_agent",
        "ads.change_categoryrule",
        "ads.change_policyrule",
        "ads.add_policyrule",
    ),
    "finance": (
        *_MONEY,
        "ads.add_payout",
        "ads.add_payoutbatch",
        "ads.change_payout",
        "ads.change_payoutbatch",
        "ads.add_invalidmark",
        "ads.change_wallet",
    ),
    "auditor": (
        *_CONVERSATIONS,
        *_MODERATION,
        *_TASKS,
        *_ADS,
        *_MONEY,
        "ads.view_adkey",
        "conversations.view_worker",
        "auth.view_group",
        "penguin_site.view_apikey",
        "penguin_site.view_auditentry",
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
