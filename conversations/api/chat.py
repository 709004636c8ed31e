"""`POST /chat/message`: accepts a message like the socket does, then waits for the end of its run."""

import asyncio
from dataclasses import dataclass
from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import runs, turns
from conversations.api.message_input import RestMessageInput, checked
from conversations.api.schema import errors, examples
from conversations.core import cursors
from conversations.core.ids import uuid7
from conversations.core.log_events import Event, EventType
from conversations.core.run_errors import http_status, is_aborted
from conversations.core.run_states import RunStatus
from conversations.core.usage import empty
from conversations.live import hints, process
from conversations.live.log_reader import reasoning_of
from conversations.live.subscription import GONE, LOG_GAP, Outcome, Subscription
from conversations.message_intake import prepare_turn
from conversations.models import Message
from conversations.tool_outcomes import action_results
from conversations.turns import Accepted, queued_item
from penguin_site.errors import InvalidField

LONGEST_KEY = 200


class UsageOutput(serializers.Serializer):
    input_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    cache_read_tokens = serializers.IntegerField()
    cache_write_tokens = serializers.IntegerField()
    total_tokens = serializers.IntegerField()
    cost_usd = serializers.FloatField()


class AnswerOutput(serializers.Serializer):
    response = serializers.CharField(help_text="The text of the last model call.")
    action_results = serializers.ListField(child=serializers.DictField())
    session_id = serializers.CharField()
    conversation_id = serializers.CharField()
    run_id = serializers.UUIDField()
    message_id = serializers.UUIDField(help_text="The answer's.")
    status = serializers.ChoiceField(["completed", "cancelled", "timed_out"])
    aborted = serializers.BooleanField()
    usage = UsageOutput()
    reasoning = serializers.CharField(required=False)
    sponsored = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="Ads that fit the message, always labelled; only where they were switched on for the person and for "
        "the conversation. No part of the answer.",
    )


class AcceptedOutput(serializers.Serializer):
    run_id = serializers.UUIDField()
    session_id = serializers.CharField()
    conversation_id = serializers.CharField()
    message_id = serializers.UUIDField(help_text="The answer's.")
    status = serializers.CharField()
    queue_position = serializers.IntegerField()
    cursor = serializers.CharField(help_text="Where to attach to follow the run from its start.")


EXAMPLE = {
    "response": "def fibonacci(n): ...",
    "action_results": [],
    "session_id": "conversation_20240330_123456_0a1b2c3d",
    "conversation_id": "conversation_20240330_123456_0a1b2c3d",
    "run_id": "018e8f5a-0000-7000-8000-000000000002",
    "message_id": "018e8f5a-0000-7000-8000-000000000003",
    "status": "completed",
    "aborted": False,
    "usage": {**empty(), "input_tokens": 31, "output_tokens": 120, "total_tokens": 151},
}


def accepted_body(accepted: Accepted) -> dict[str, Any]:
    return {
        "run_id": str(accepted.run_id),
        "session_id": accepted.session_id,
        "conversation_id": accepted.session_id,
        "message_id": str(accepted.answer_id),
        "status": "steered" if accepted.steered else RunStatus.QUEUED.value,
        "queue_position": accepted.position,
        "cursor": cursors.encode(accepted.epoch, accepted.seq - 1),
    }


@dataclass(slots=True)
class RunEnd:
    """What the request waits for: no thread and no connection is held meanwhile."""

    accepted: Accepted
    owner_id: int

    async def wait(self) -> None:
        live = process.current()
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def on_outcome(outcome: Outcome) -> None:
            is_end = isinstance(outcome, Event) and outcome.type == EventType.RUN_ENDED
            # The log is only trimmed where no run is open: behind a gap the run has long ended.
            if (is_end or outcome in (GONE, LOG_GAP)) and not ended.done():
                ended.set_result(None)

        subscription = Subscription(on_outcome, run_id=str(self.accepted.run_id))
        try:
            await live.hub.attach(
                subscription, self.accepted.conversation_id, after=self.accepted.seq, parts={}
            )
            await ended
        finally:
            live.hub.close(subscription)

    def finish(self) -> tuple[int, dict[str, Any]]:
        try:
            run = runs.find_run(self.accepted.run_id, owner_id=self.owner_id)
        except runs.RunNotFound as error:  # its conversation was deleted meanwhile
            return error.status, error.as_envelope()
        if run.status == RunStatus.FAILED and run.error:
            return http_status(run.error["kind"]), {
                "detail": run.error["message"],
                "code": run.error["kind"],
                "retryable": run.error["retryable"],
                **_names(self.accepted),
            }
        answer = Message.objects.filter(id=run.answer_message_id).first()
        body = {
            "response": answer.content if answer else "",
            "action_results": action_results([run.id]).get(run.id, []),
            **_names(self.accepted),
            "status": run.status,
            "aborted": is_aborted(run.status),
            "usage": run.usage or empty(),
        }
        if run.options.get("include_reasoning"):
            body["reasoning"] = reasoning_of(answer.parts if answer else [])
        if answer and "sponsored" in answer.metadata:
            body["sponsored"] = answer.metadata["sponsored"]
        return 200, body


def _names(accepted: Accepted) -> dict[str, str]:
    return {
        "session_id": accepted.session_id,
        "conversation_id": accepted.session_id,
        "run_id": str(accepted.run_id),
        "message_id": str(accepted.answer_id),
    }


class ChatMessage(APIView):
    required_scopes = {"POST": "chat"}
    rate_class = "chat"

    @extend_schema(
        operation_id="chat_message",
        summary="Send a message and get the answer",
        description="Waits until the run has ended. A client that goes away stops nothing: the run goes on, and its "
        "answer stands in the conversation. Run in a process without live output (WSGI) this answers 202.",
        request=RestMessageInput,
        parameters=[
            OpenApiParameter(
                "Idempotency-Key",
                str,
                OpenApiParameter.HEADER,
                description="The same key and body again: the same run and answer.",
            )
        ],
        responses={
            200: AnswerOutput,
            202: OpenApiResponse(
                AcceptedOutput, description="Accepted (`wait: false`); follow the run by its id."
            ),
            **errors(404, 409, 413, 415, 502, 503, 504),
        },
        examples=examples(
            request={"text": "Write a Python function to calculate the Fibonacci sequence."}, response=EXAMPLE
        ),
    )
    def post(self, request: Request) -> Response:
        fields = checked(RestMessageInput, request.data)
        turn = prepare_turn(
            fields,
            owner_id=request.user.pk,
            is_local_owner=request.auth.is_local_owner,
            key_id=request.auth.key_id,
            idempotency_key=_idempotency_key(request),
        )
        accepted = turns.accept_turn_sync(turn, uuid7())
        if accepted.is_new and not accepted.steered:
            hints.announce(queued_item(accepted))
        response = Response(accepted_body(accepted), status=202)
        if fields["wait"]:
            response.waiting = RunEnd(accepted, request.user.pk)
        return response


def _idempotency_key(request: Request) -> str | None:
    key: str | None = request.headers.get("Idempotency-Key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
        raise InvalidField("Idempotency-Key", f"1 to {LONGEST_KEY} printable characters.")
    return key
