"""Each list of the admin over HTTP with 100,000 rows in its table: opened, narrowed to a state, searched.

python -m benchmarks.admin_lists [--rows 100000]
"""

import argparse
import http.client
import time
from urllib.parse import urlsplit

import psycopg

from benchmarks.load_conversations import load
from benchmarks.report import Figure, percentile, show
from benchmarks.stand import stand
from tests.e2e.browser import login_link
from tests.processes import eventually
from tests.stack import Stack

ROWS = 100_000
BAR = 1.0  # seconds
OPENED = 5

# A UUID of version 7 made `n` minutes ago, as the service makes them.
_ID = """
(lpad(to_hex((extract(epoch FROM now() - n * interval '20 seconds') * 1000)::bigint), 12, '0') || '7'
 || substr(md5(n::text || '{salt}'), 1, 3) || '8' || substr(md5('{salt}' || n::text), 1, 15))::uuid
"""
_AGO = "now() - n * interval '20 seconds'"
_ROWS = "generate_series(1, %(rows)s) AS n"


def _id(salt: str) -> str:
    return _ID.format(salt=salt)


TABLES = {
    "run": f"""
INSERT INTO run (id, conversation_id, owner_id, turn, status, options, input_message_id, answer_message_id, usage,
                 created_at, queued_at, finished_at)
SELECT {_id("run")}, c.id, c.owner_id, 9, (ARRAY['completed', 'completed', 'completed', 'failed'])[1 + n %% 4], '{{}}',
       gen_random_uuid(), gen_random_uuid(), '{{}}', {_AGO}, {_AGO}, {_AGO}
FROM {_ROWS} JOIN conversation c ON c.session_id = 'loaded_' || n""",
    "model_call": f"""
INSERT INTO model_call (id, run_id, conversation_id, owner_id, step, attempt, model, status, input_tokens,
                        output_tokens, cost_micros, started_at, first_token_at, finished_at)
SELECT {_id("call")}, r.id, r.conversation_id, r.owner_id, 1, 1, 'model ' || n %% 5, 'succeeded', 1000, 100, 2000,
       {_AGO}, {_AGO} + interval '0.4 seconds', {_AGO} + interval '4 seconds'
FROM (SELECT row_number() OVER (ORDER BY id DESC) AS n, * FROM run) AS r""",
    "tool_call": """
INSERT INTO tool_call (id, conversation_id, run_id, owner_id, step, place, provider_call_id, name, arguments, effect,
                       status, created_at, finished_at)
SELECT gen_random_uuid(), conversation_id, id, owner_id, 1, 0, 'x', 'execute_command', '{}', 'at_most_once', 'denied',
       created_at, created_at FROM run""",
    "approval": f"""
INSERT INTO approval (id, conversation_id, run_id, tool_call_id, owner_id, tool_name, operation, resource, arguments,
                      digest, subject, reason, status, created_at, expires_at, resolved_at)
SELECT {_id("approval")}, conversation_id, run_id, id, owner_id, name, 'execute', 'make test', '{{}}', repeat('a', 64),
       '{{}}', 'asked', 'expired', {_AGO}, {_AGO}, {_AGO}
FROM (SELECT row_number() OVER (ORDER BY created_at DESC) AS n, * FROM tool_call) AS t""",
    "tool_grant": f"""
INSERT INTO tool_grant (id, owner_id, scope, tool_name, matcher, definition_hash, sandbox_level, created_at)
SELECT {_id("grant")}, %(owner)s, 'user', 'execute_command', '{{"kind": "any"}}', '', 'bubblewrap', {_AGO}
FROM {_ROWS}""",
    "message_feedback": f"""
INSERT INTO message_feedback (message_id, user_id, rating, tags, review_status, created_at, updated_at)
SELECT id, owner_id, 'up', '[]', (ARRAY['new', 'done'])[1 + n %% 2], {_AGO}, {_AGO}
FROM (SELECT row_number() OVER () AS n, * FROM message WHERE role = 'assistant' LIMIT %(rows)s) AS m""",
    "task": f"""
INSERT INTO task (id, owner_id, title, status, acceptance_criteria, completed_at, created_at, updated_at)
SELECT {_id("task")}, %(owner)s, 'Task ' || n, s, '[]', CASE s WHEN 'completed' THEN now() END, {_AGO}, {_AGO}
FROM {_ROWS} CROSS JOIN LATERAL
    (SELECT (ARRAY['active', 'completed', 'failed', 'pending_review'])[1 + n %% 4]) AS _(s)""",
    "execution": f"""
INSERT INTO execution (id, task_id, owner_id, status, options, created_at, ended_at)
SELECT {_id("execution")}, id, owner_id, (ARRAY['completed', 'failed'])[1 + n %% 2], '{{}}', {_AGO}, {_AGO}
FROM (SELECT row_number() OVER (ORDER BY id DESC) AS n, * FROM task) AS t""",
    "project": f"""
INSERT INTO project (id, owner_id, name, created_at, updated_at)
SELECT {_id("project")}, %(owner)s, 'Project ' || n, {_AGO}, {_AGO} FROM {_ROWS}""",
    "schedule": f"""
INSERT INTO schedule (id, owner_id, task_id, cron, enabled, created_at, updated_at)
SELECT {_id("schedule")}, owner_id, id, '0 4 * * *', false, {_AGO}, {_AGO}
FROM (SELECT row_number() OVER (ORDER BY id DESC) AS n, * FROM task) AS t""",
    "penguin_site_user": f"""
INSERT INTO penguin_site_user (username, password, first_name, last_name, email, is_superuser, is_staff, is_active,
                               date_joined)
SELECT 'person' || n, '!', '', '', 'p' || n || '@example.org', false, false, true, {_AGO} FROM {_ROWS}""",
    "api_key": f"""
INSERT INTO api_key (user_id, name, prefix, key_hash, scopes, created_at)
SELECT %(owner)s, 'key ' || n, 'pk_' || n, sha256(n::text::bytea), ARRAY['read'], {_AGO} FROM {_ROWS}""",
    "audit_entry": f"""
INSERT INTO audit_entry (recorded_at, actor_id, actor, action, object, address_hash, request_id, previous_hash, hash)
SELECT {_AGO}, %(owner)s, 'owner', 'action.' || n %% 60, 'conversations.run:' || n, '', '', sha256('x'),
       sha256(('audit' || n)::bytea) FROM {_ROWS}""",
}

PAGES = {
    "dashboard": "/admin/",
    "usage": "/admin/usage/",
    "conversations": "/admin/conversations/conversation/",
    "conversations, searched": "/admin/conversations/conversation/?q=loaded_777",
    "messages": "/admin/conversations/message/",
    "runs": "/admin/conversations/run/",
    "runs, failed": "/admin/conversations/run/?status__exact=failed",
    "runs, timed out (none)": "/admin/conversations/run/?status__exact=timed_out",
    "runs, of the last day": "/admin/conversations/run/?made=1",
    "runs, of a person": "/admin/conversations/run/?q=owner",
    "model calls": "/admin/conversations/modelcall/",
    "model calls, of one model": "/admin/conversations/modelcall/?model__exact=model+3",
    "approvals": "/admin/conversations/approval/",
    "approvals inbox": "/admin/conversations/approval/inbox/",
    "grants": "/admin/conversations/grant/",
    "feedback": "/admin/conversations/messagefeedback/",
    "feedback, new": "/admin/conversations/messagefeedback/?review_status__exact=new",
    "tasks": "/admin/tasks/task/",
    "tasks, to review": "/admin/tasks/task/?status__exact=pending_review",
    "board": "/admin/tasks/task/board/",
    "executions": "/admin/tasks/execution/",
    "projects": "/admin/tasks/project/",
    "schedules": "/admin/tasks/schedule/",
    "people": "/admin/penguin_site/user/",
    "people, searched": "/admin/penguin_site/user/?q=person777",
    "API keys": "/admin/penguin_site/apikey/",
    "audit": "/admin/penguin_site/auditentry/",
    "audit, one action": "/admin/penguin_site/auditentry/?action_is=action.7",
    "audit, one object": "/admin/penguin_site/auditentry/?q=conversations.run:777",
    "messages, a far page": "/admin/conversations/message/?p=40",
}


class Staff:
    """The local owner in a browser that loads pages and nothing of what belongs to them."""

    def __init__(self, stack: Stack) -> None:
        link = urlsplit(login_link(stack))
        self._connection = http.client.HTTPConnection(link.netloc, timeout=120)
        response = self._get(f"{link.path}?{link.query}")
        cookies = (
            value.partition(";")[0] for name, value in response.getheaders() if name.lower() == "set-cookie"
        )
        self._cookies = "; ".join(cookies)

    def connect_again(self) -> None:
        """After a time in which the server has closed the connection."""
        self._connection.close()

    def _get(self, path: str, **headers: str) -> http.client.HTTPResponse:
        self._connection.request("GET", path, headers=headers)
        response = self._connection.getresponse()
        response.read()
        return response

    def seconds(self, path: str) -> float:
        began = time.perf_counter()
        response = self._get(path, Cookie=self._cookies)
        assert response.status == 200, (path, response.status)
        return time.perf_counter() - began


def fill(stack: Stack, rows: int) -> None:
    (owner,) = eventually(lambda: stack.sql("SELECT id FROM penguin_site_user WHERE username = 'owner'"))[0]
    load(stack.database_url, owner_id=owner, count=rows)
    with psycopg.connect(stack.database_url) as connection:
        for statement in TABLES.values():
            connection.execute(statement, {"rows": rows, "owner": owner})
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def measure(stack: Stack, rows: int) -> list[Figure]:
    staff = Staff(stack)
    fill(stack, rows)
    staff.connect_again()
    figures = []
    for name, path in PAGES.items():
        times = [staff.seconds(path) for _ in range(OPENED)]
        note = f"slowest {max(times):.3f} s of {OPENED}, {rows:,} rows"
        figures.append(Figure(name, percentile(times, 0.5), "s", BAR, note))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=ROWS)
    given = parser.parse_args()
    with stand(workers=0) as stack:
        show("Lists of the admin", measure(stack, given.rows))


if __name__ == "__main__":
    main()
