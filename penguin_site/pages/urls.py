"""Routes of the pages for people."""

from django.urls import path

from penguin_site.pages import chat, chat_data

urlpatterns = [
    path("chat", chat.Chat.as_view(), name="chat"),
    path("chat/data/conversations/<str:session_id>", chat_data.OpenedConversation.as_view()),
    path("chat/data/conversations/<str:session_id>/earlier", chat_data.EarlierTurns.as_view()),
    path("chat/data/runs/<uuid:run_id>", chat_data.TurnOfRun.as_view()),
    path("chat/data/rendered", chat_data.Rendered.as_view()),
    path("chat/data/folders", chat_data.Folders.as_view()),
    path("chat/<str:session_id>", chat.Chat.as_view()),
]
