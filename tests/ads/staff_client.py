"""Staff of the marketplace, each with just their permissions, and the audit rows that they leave."""

from typing import Any

from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from penguin_site.models import AuditEntry, User


class StaffClient(Client):
    """`permissions` are codenames of the marketplace; without any it is a superuser."""

    def __init__(self, name: str, *permissions: str) -> None:
        super().__init__()
        self.user = User.objects.create(username=name, is_staff=True, is_superuser=not permissions)
        self.user.user_permissions.set(
            Permission.objects.filter(content_type__app_label="ads", codename__in=permissions)
        )
        self.force_login(self.user)

    def see(self, name: str, /, *arguments: Any, **query: Any):
        return self.get(reverse(f"admin:ads_{name}", args=arguments), query)

    def press(self, name: str, /, *arguments: Any, **data: Any):
        """Presses a button; the answer, with what was said to its user in `said`."""
        response = self.post(reverse(f"admin:ads_{name}", args=arguments), data)
        # Of this request alone: nobody has read those of the ones before.
        said = get_messages(response.wsgi_request)._queued_messages
        response.said = [str(message) for message in said]
        return response


def audited(*actions: str) -> list[tuple[str, str]]:
    rows = AuditEntry.objects.exclude(action__startswith="staff.").order_by("id")
    if actions:
        rows = rows.filter(action__in=actions)
    return list(rows.values_list("actor", "action"))
