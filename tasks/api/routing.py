"""Socket routes of tasks."""

from django.urls import path

from tasks.api.stream import TaskSocket

websocket_urlpatterns = [path("api/v1/tasks/stream", TaskSocket.as_asgi())]
