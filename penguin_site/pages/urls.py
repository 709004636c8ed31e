"""Routes of the pages for people."""

from django.urls import path

from penguin_site.pages import ads, chat, chat_data, dashboard

urlpatterns = [
    path("chat", chat.Chat.as_view(), name="chat"),
    path("chat/data/conversations/<str:session_id>", chat_data.OpenedConversation.as_view()),
    path("chat/data/conversations/<str:session_id>/earlier", chat_data.EarlierTurns.as_view()),
    path(
        "chat/data/conversations/<str:session_id>/messages/<uuid:message_id>",
        chat_data.TurnOfMessage.as_view(),
    ),
    path("chat/data/runs/<uuid:run_id>", chat_data.TurnOfRun.as_view()),
    path("chat/data/rendered", chat_data.Rendered.as_view()),
    path("chat/data/folders", chat_data.Folders.as_view()),
    path("chat/<str:session_id>", chat.Chat.as_view()),
    path("dashboard", dashboard.Dashboard.as_view(), name="dashboard"),
    path("dashboard/keys", dashboard.MakeKey.as_view()),
    path("dashboard/keys/<int:key_id>/revoke", dashboard.RevokeKey.as_view()),
    path("dashboard/sponsored", dashboard.SwitchSponsored.as_view()),
    path("ads", ads.Agents.as_view(), name="ads"),
    path("ads/link", ads.LinkAgent.as_view()),
    path("ads/register", ads.RegisterAgent.as_view()),
    path("ads/agents/<uuid:agent_id>", ads.AgentFigures.as_view()),
    path("ads/agents/<uuid:agent_id>/console", ads.Console.as_view()),
    path("ads/agents/<uuid:agent_id>/unlink", ads.Unlink.as_view()),
    path("ads/agents/<uuid:agent_id>/keys/<int:key_id>/replace", ads.ReplaceKey.as_view()),
    path("ads/agents/<uuid:agent_id>/keys/<int:key_id>/revoke", ads.RevokeAgentKey.as_view()),
]
