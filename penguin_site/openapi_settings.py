"""drf-spectacular's settings: what the OpenAPI document says about the API as a whole."""

from typing import Any

from conversations.core.policy import Mode
from conversations.core.rules import Verdict
from conversations.core.run_states import RunStatus
from penguin_site.version import VERSION
from tasks.core.execution_states import ExecutionStatus
from tasks.core.task_states import TaskStatus

_DESCRIPTION = """
Chat with a coding agent over REST and WebSocket. Everything is stored; conversations belong to the caller.

**Authentication**: `X-API-Key: <key>` or `Authorization: Bearer <key>`, or the session cookie of the browser login
(then with `X-CSRFToken` on POST, PUT, PATCH and DELETE). Keys are never taken from the query string.

**Errors** have one shape, `{"detail", "code", "errors"?}`; branch on `code`. Every response carries `X-Request-Id`.

**Idempotency**: a creating POST with an `Idempotency-Key` header is done once; its repetition within 24 hours gets the
stored answer, the same key with another body 409 `idempotency_mismatch`.

**Live output**: the WebSocket `/api/v1/chat/stream` takes the same message object as `POST /api/v1/chat/message`
as a JSON text frame and sends frames `{"event", "data"}`: `start`, then `token` (`data.token`, with `part_id` and
`offset` in Unicode code points), `reasoning`, `status`, and at the end exactly one `complete` (`data.response`,
`data.action_results`, `data.status`, `data.usage`) for each run; `error` (`data.message`, `data.code`) before it
when the run failed, or alone for a frame that could not be understood. Other frames: `{"type": "cancel", "run_id"?}`,
`{"type": "attach", "session_id", "after"?}` (replays what was missed after a cursor, then `synced`),
`{"type": "approve" | "deny", "approval_id", ...}` and `{"type": "answer", "question_id", "answer"}` (the fields of the
REST routes), `{"type": "ping"}`. Sockets authenticate with the same headers, with a subprotocol `penguin.key.<key>` (or
`penguin.key64.<base64url of the key>`) offered beside `penguin.v1`, or with a one-time ticket from
`POST /api/v1/auth/ticket` in `?ticket=`.

**Live events**: `GET /api/v1/events/sse` (server-sent events) and the WebSocket `/api/v1/events/ws` bring what
happens in one conversation, or in all of one's own, as `{"id", "order", "time", "type", "properties"}`. On the
socket, whose address takes the same `session_id`, `last_event_id` and `ticket`, each is a text frame; it hears
`{"type": "ping"}` alone.
""".strip()

SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Penguin API",
    "DESCRIPTION": _DESCRIPTION,
    "VERSION": VERSION,
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "PREPROCESSING_HOOKS": ["penguin_site.openapi.only_our_api"],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "/static/penguin_site/icon.svg",
    "SWAGGER_UI_SETTINGS": {
        "deepLinking": True,
        "persistAuthorization": False,
        "url": "/api/schema?format=json",
    },
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "RunStatus": [status.value for status in RunStatus],
        "ConversationStatus": ["idle", "busy", "waiting"],
        "PermissionMode": [mode.value for mode in Mode],
        "Verdict": [verdict.value for verdict in Verdict],
        "DecisionScope": ["once", "session", "pattern", "always"],
        "GrantScope": ["run", "session", "user"],
        "ApprovalStatus": ["pending", "approved", "denied", "expired", "cancelled", "superseded"],
        "TaskStatus": [status.value for status in TaskStatus],
        "ExecutionStatus": [status.value for status in ExecutionStatus],
        "ProjectStatus": ["active", "archived"],
        "StartedStatus": ["started"],
        "QuestionStatus": ["open", "answered", "expired", "cancelled"],
    },
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SORT_OPERATIONS": True,
}
