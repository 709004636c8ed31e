"""All routes of the site: the API, its document, and the pages for people."""

from django.contrib import admin
from django.urls import include, path

from penguin_site import login
from penguin_site.api_pages import Docs, Schema
from penguin_site.favicon import favicon
from penguin_site.health import Health
from penguin_site.metrics import Metrics
from penguin_site.staff.transcripts import transcript
from penguin_site.staff.usage import usage
from penguin_site.tickets import MakeTicket

urlpatterns = [
    path("api/v1/health", Health.as_view()),
    path("api/v1/auth/ticket", MakeTicket.as_view()),
    path("api/v1/", include("conversations.api.urls")),
    path("api/v1/", include("tasks.api.urls")),
    path("functions/v1/", include("ads.api.urls")),
    path("api/schema", Schema.as_view(), name="schema"),
    path("api/docs", Docs.as_view(), name="docs"),
    path("favicon.ico", favicon),
    path("metrics", Metrics.as_view()),
    path("authorize", login.authorize),
    path("login", login.PasswordLogin.as_view(), name="login"),
    path("password", login.ChangePassword.as_view(), name="password"),
    path("logout", login.Logout.as_view(), name="logout"),
    path("admin/login/", login.admin_login),
    path(
        "admin/conversations/conversation/<int:conversation_id>/transcript/",
        admin.site.admin_view(transcript),
        name="staff_transcript",
    ),
    path("admin/usage/", admin.site.admin_view(usage), name="staff_usage"),
    path("admin/", admin.site.urls),
    path("", include("penguin_site.pages.urls")),
    path("", login.home),
]

handler400 = "penguin_site.error_pages.bad_request"
handler403 = "penguin_site.error_pages.permission_denied"
handler404 = "penguin_site.error_pages.page_not_found"
handler500 = "penguin_site.error_pages.server_error"
