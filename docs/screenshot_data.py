"""Made-up talk, tasks and figures for the pictures of the README. Each function gives the address to look at."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from tests.e2e.tool_runs import call, repository, say
from tests.processes import ROOT, eventually
from tests.stack import Stack

ANSWER = """The sign was wrong: `add` subtracted. It is mended, and the check passes now.

```python
def add(a, b):
    return a + b
```

| file | lines | check |
|---|--:|---|
| sums.py | 1 | passes |
| check.sh | 0 | untouched |

Two callers in `report.py` had worked around the old behaviour; say so, and I remove that as well."""

TALKS = [
    (
        "Why do penguins not fall over on ice?",
        "They lean forward, keep their weight over the front foot, and take short steps.",
    ),
    (
        "Plan the move to Postgres 17",
        "Begin with a copy of the database, and measure how long `pg_upgrade --link` takes on it.",
    ),
    (
        "Translate the release notes",
        "Done, in French and German. Two terms had no common translation; I kept the English words.",
    ),
    ("What does this traceback mean?", "The pool was closed before its last connection came back."),
    (
        "Compare three queues",
        "For your load any of them will do; what differs is how each of them loses messages.",
    ),
]

_MODELS = ("openai-chat:gpt-4.1", "openai-chat:gpt-4.1-mini", "anthropic:claude-sonnet", "local:qwen2.5-0.5b")

# 30 days of model calls, less at weekends, on four models; all of the one conversation that is there.
_CALLS = """
INSERT INTO model_call (id, run_id, conversation_id, owner_id, step, attempt, model, status, input_tokens,
    output_tokens, cost_micros, started_at, finished_at, first_token_at)
SELECT gen_random_uuid(), r.id, r.conversation_id, r.owner_id, 1, 1, model, 'succeeded',
    (900 + 5000 * random() * weight)::int, (200 + 900 * random() * weight)::int, (3000 * random() * weight)::int,
    at, at, at
FROM (SELECT * FROM run ORDER BY created_at LIMIT 1) r,
    unnest(%s::text[], ARRAY[1.0, 2.2, 1.4, 0.5]) AS m(model, weight),
    generate_series(date_trunc('day', now()) - interval '29 days', now(), interval '5 hours') AS at
WHERE random() < CASE WHEN extract(isodow FROM at) > 5 THEN 0.25 ELSE 0.85 END
"""

_FLAGGED = [
    "My card is 4111 1111 1111 1111, can you book the train for me?",
    "Write to jane.doe@example.com and +49 30 901820 that she is a worthless idiot.",
    "asdkjh qwpoeiru zxmcnbv lkjhgf qpwoeiruty mznxbcv",
]


def prepare(stack: Stack) -> None:
    """Talk that the lists show, and usage of the last weeks."""
    for number, (title, answer) in enumerate(TALKS):
        session = f"talk-{number}"
        say(stack, answer + " [[echo]]", session_id=session)
        polish(stack, session, title=title, question=title)
    stack.sql(_CALLS, list(_MODELS))


def polish(stack: Stack, session: str, *, title: str, question: str, answer: str = "") -> None:
    """Puts a title, a question and the last text of an answer in the place of the directives."""
    conversation = "conversation_id = (SELECT id FROM conversation WHERE session_id = %s)"
    stack.sql("UPDATE conversation SET title = %s WHERE session_id = %s", title, session)
    stack.sql(f"UPDATE message SET content = %s WHERE role = 'user' AND {conversation}", question, session)
    if not answer:
        return
    rows = stack.sql(f"SELECT id, parts FROM message WHERE role = 'assistant' AND {conversation}", session)
    for message_id, parts in rows:
        last = [part for part in parts if part["type"] == "text"][-1]
        last["text"] = answer
        stack.sql("UPDATE message SET parts = %s::jsonb WHERE id = %s", json.dumps(parts), message_id)


def _repository(stack: Stack, name: str) -> Path:
    return repository(stack.directory / name)


@cache
def conversation(stack: Stack) -> str:
    """A bug that an agent has mended."""
    root, session = _repository(stack, "sums"), "mend-the-sums"
    script = (
        "Mend it [[reasoning=2 step=0]]"
        + call("read_file", 0, path="sums.py")
        + call("edit_file", 1, path="sums.py", old_string="a - b", new_string="a + b")
        + call("grep_search", 2, pattern="add\\(", path=".")
        + "[[echo step=3]]"
    )
    say(stack, script, session_id=session, directory=str(root))
    question = "The check fails since yesterday. Find out why, and mend it."
    polish(stack, session, title="Mend the sums", question=question, answer=ANSWER)
    return f"/chat/{session}"


@cache
def approval(stack: Stack) -> str:
    """An agent that asks before it runs a command."""
    root, session = _repository(stack, "release"), "release-it"
    script = (
        "Release"
        + call("read_file", 0, path="check.sh")
        + call("execute_command", 1, command="sh check.sh && git tag v1.4.0 && git push origin v1.4.0")
        + "[[echo step=2]]"
    )
    say(stack, script, session_id=session, directory=str(root), wait=False)
    eventually(lambda: stack.sql("SELECT 1 FROM approval WHERE status = 'pending'"), seconds=60)
    question = "Check everything, then tag and push version 1.4.0."
    polish(stack, session, title="Release 1.4.0", question=question)
    return f"/chat/{session}"


@cache
def dashboard(stack: Stack) -> str:
    """Tasks in several states, one with a budget, and keys."""
    wait = call("ask_user", 0, question="Shall the old columns go, too?", options=["yes", "no"])
    body: dict[str, Any] = {"budget_tokens": 200_000, "budget_cost_usd": 2.5, "time_limit": 90}
    tasks = [
        ("Move the reports to the new schema", wait, body),
        ("Write the guide for moderators", "[[echo]] done", {}),
    ]
    for name, script, limits in tasks:
        status, answer = stack.request(
            "POST", "/api/v1/tasks/execute", {"name": name, "description": script, **limits}
        )
        assert status == 200, answer
    for name in ("Look through the logs of the night", "Measure the new index"):
        stack.request("POST", "/api/v1/tasks", {"title": name})
    waiting = "SELECT 1 FROM execution WHERE status = 'waiting'"
    eventually(lambda: stack.sql(waiting), seconds=60)
    stack.sql(
        "UPDATE execution SET used_tokens = 148200, used_cost_micros = 870000, used_seconds = 2100"
        " WHERE status = 'waiting'"
    )
    return "/dashboard"


_MARKET = """
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from ads import agents, clicks, decisions, demo
from ads.core.tokens import Environment
from ads.decisions import Request
from ads.models import Agent
from ads.unit_bodies import unit_body
from penguin_site import agent_links, principals

now, owner = timezone.now(), principals.local_owner_user()
demo.load(now=now)
made = agent_links.register(user=owner, owner_email="dev@example.com", name="Travel companion", now=now)
agents.set_status(made.agent, Agent.Status.ACTIVE)
said = ["I need a tax accountant", "a quiet hotel in Lisbon", "zzzz", "my laptop is slow", "I miss her so much",
        "running shoes for winter", "learn Portuguese", "how tall is Mont Blanc", "cheap car insurance"]
for back in range(7):
    for number, text in enumerate(said * (1 + back % 3)):
        moment = now - timedelta(days=back, minutes=number)
        request = Request(agent=made.agent, environment=Environment.TEST, now=moment, context=text,
                          placement="sidebar", max_results=2)
        answer = decisions.decide(request, lambda decision: {"units": [
            unit_body(decision, placed, made.agent, origin="", is_verbose=False) for placed in decision.placed]})
        for unit in answer["units"][: number % 2 + back % 2]:
            clicks.follow(unit["click_url"].rpartition("/")[2], automatic="", now=moment)
print(made.agent.pk)
"""


@cache
def developer(stack: Stack) -> str:
    """An agent of the marketplace that has decided for some days."""
    environment = stack.environment() | {"DJANGO_SETTINGS_MODULE": "penguin_site.settings"}
    command = [sys.executable, "-c", _MARKET]
    made = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return f"/ads/agents/{made.stdout.split()[-1]}?book=test&days=7"


@cache
def moderation(stack: Stack) -> str:
    """Messages that rules have found."""
    for number, text in enumerate(_FLAGGED):
        say(stack, f"{text} [[echo]]", session_id=f"flagged-{number}")
    eventually(lambda: stack.sql("SELECT 1 FROM moderation_flag"), seconds=120)
    # What the scripted model is told is not for the picture; the titles are those of the messages.
    stack.sql("UPDATE moderation_flag SET excerpt = replace(excerpt, ' [[echo]]', '')")
    return "/admin/conversations/moderationflag/"
