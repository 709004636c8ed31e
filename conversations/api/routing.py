"""Socket routes of conversations."""

from django.urls import path

from conversations.api.consumers import ChatSocket
from conversations.api.live_events import LiveEventsSocket

websocket_urlpatterns = [
    path("api/v1/chat/stream", ChatSocket.as_asgi()),
    path("api/v1/events/ws", LiveEventsSocket.as_asgi()),
]
