"""The message object that clients send, over REST and over the socket."""

from functools import cache
from typing import Any

from rest_framework import serializers

from conversations.api.fields import (
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
    StrictListField,
)

MOST_ATTACHMENTS = 20


class ContextField(serializers.DictField):
    """Any JSON object."""

    child = serializers.JSONField(allow_null=True)


class MessageInput(serializers.Serializer):
    text = StrictCharField(help_text="What the user says.")
    session_id = StrictCharField(
        required=False, allow_null=True, max_length=128, help_text="Without one a new conversation is made."
    )
    conversation_id = StrictCharField(
        required=False, allow_null=True, max_length=128, help_text="Another name of `session_id`."
    )
    directory = StrictCharField(
        required=False, allow_null=True, max_length=4096, help_text="Absolute path; binds the session to it."
    )
    context = ContextField(required=False, allow_null=True, help_text="Anything the model should know.")
    context_files = StrictListField(
        child=StrictCharField(max_length=4096), required=False, allow_null=True, max_length=MOST_ATTACHMENTS
    )
    image_paths = StrictListField(
        child=StrictCharField(max_length=4096), required=False, allow_null=True, max_length=MOST_ATTACHMENTS
    )
    images = StrictListField(
        child=StrictCharField(),
        required=False,
        allow_null=True,
        max_length=MOST_ATTACHMENTS,
        help_text="Data URLs or ids of uploads.",
    )
    model = StrictCharField(required=False, allow_null=True, max_length=200)
    agent_mode = StrictChoiceField(choices=["build", "plan"], required=False, allow_null=True)
    max_iterations = StrictIntegerField(required=False, allow_null=True, min_value=1, max_value=1000)
    include_reasoning = StrictBooleanField(required=False)
    client_message_id = StrictCharField(
        required=False, allow_null=True, max_length=128, help_text="The same id and body again: the same run."
    )
    on_busy = StrictChoiceField(
        choices=["enqueue", "steer", "interrupt", "reject"], required=False, allow_null=True
    )


class RestMessageInput(MessageInput):
    wait = StrictBooleanField(default=True, help_text="false: 202 with `run_id` at once.")


def checked(kind: type[MessageInput], data: Any) -> dict[str, Any]:
    """The valid fields of a message, or DRF's ValidationError.

    A serializer copies all its fields when it is made, which takes longer than everything else that is done with a
    message before it is stored. Checking keeps no state, so one of each kind is enough.
    """
    fields: dict[str, Any] = _serializer(kind).run_validation(data)
    return fields


@cache
def _serializer(kind: type[MessageInput]) -> MessageInput:
    return kind()
