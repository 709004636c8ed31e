"""The ASGI application: HTTP through one thread pool to Django, sockets through the gate to their consumers.

Event streams are HTTP: Django lets them in, then they live on the event loop (`web/http_handler.py`).
"""

import os

import django
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")
django.setup(set_prefix=False)

# What follows needs the apps to be loaded.
from conversations.api import routing as conversations_routing  # noqa: E402
from penguin_site import sockets, telemetry  # noqa: E402
from penguin_site.open_sockets import OpenSockets  # noqa: E402
from penguin_site.web.http_handler import HttpHandler  # noqa: E402
from tasks.api import routing as tasks_routing  # noqa: E402

socket_routes = [
    *conversations_routing.websocket_urlpatterns,
    *tasks_routing.websocket_urlpatterns,
    re_path(r"", sockets.unknown_path),
]
application = ProtocolTypeRouter(
    {"http": HttpHandler(OpenSockets()), "websocket": sockets.SocketGate(URLRouter(socket_routes))}
)
telemetry.start()
