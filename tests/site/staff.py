"""Members of staff for tests of the admin."""

from typing import Any

from django.contrib.auth.models import Group
from django.contrib.messages import get_messages
from django.test import Client

from penguin_site.models import User


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def in_group(group: str, *, name: str = "") -> Client:
    """Somebody of this group, signed in."""
    user = User.objects.create(username=name or group.replace(" ", "-"), is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    return signed_in(user)


def superuser(name: str = "root") -> Client:
    return signed_in(User.objects.create(username=name, is_staff=True, is_superuser=True))


def told(response: Any) -> list[str]:
    """What the answer says to the person; nothing of it is said a second time."""
    response.client.cookies.pop("messages", None)
    return [str(message) for message in get_messages(response.wsgi_request)]
