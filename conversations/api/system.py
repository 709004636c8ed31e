"""What can be asked of this server: models, capabilities, versions, state."""

import platform
from typing import Any

import django
from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import context_files, directories, sandbox, system_state
from conversations.api.schema import examples
from conversations.llm import registry
from conversations.llm.wire import ModelInfo
from conversations.mcp import states as mcp_states
from conversations.tools import registry as tool_registry

_LOCAL_EXAMPLE = {
    "id": "local",
    "name": "local",
    "provider": "local",
    "context_window": 4096,
    "vision": False,
    "tools": False,
    "reasoning": False,
    "is_local": True,
    "is_default": True,
}


class ModelOutput(serializers.Serializer):
    id = serializers.CharField(help_text="What `model` of a message takes.")
    name = serializers.CharField()
    provider = serializers.CharField()
    context_window = serializers.IntegerField(help_text="In tokens, prompt and answer together.")
    vision = serializers.BooleanField()
    tools = serializers.BooleanField(
        help_text="The model can call tools; see capabilities for whether it may here."
    )
    reasoning = serializers.BooleanField()
    is_local = serializers.BooleanField()
    is_default = serializers.BooleanField()


class ModelsOutput(serializers.Serializer):
    models = ModelOutput(many=True)
    default = serializers.CharField()
    default_problem = serializers.CharField(
        allow_null=True, help_text="What the default model needs to be usable."
    )
    providers = serializers.DictField(
        child=serializers.CharField(), help_text="Any model of these can be named."
    )


class SandboxLimitsOutput(serializers.Serializer):
    """What is really kept on this machine, of one command."""

    memory_bytes = serializers.IntegerField()
    memory_of = serializers.ChoiceField(
        ["command", "process"], help_text="Whether it is counted for all processes of a command, or for each."
    )
    processes = serializers.IntegerField(allow_null=True, help_text="null: not limited.")
    open_files = serializers.IntegerField()
    file_bytes = serializers.IntegerField()
    temporary_bytes = serializers.IntegerField(help_text="In /tmp.")
    free_disk_bytes = serializers.IntegerField(help_text="With less free, commands are stopped.")


class SandboxOutput(serializers.Serializer):
    level = serializers.ChoiceField([level.value for level in sandbox.Level])
    shell_tools = serializers.BooleanField(help_text="Commands are run; without a sandbox they are refused.")
    limits = SandboxLimitsOutput(allow_null=True)


class McpServerOutput(serializers.Serializer):
    name = serializers.CharField()
    tools = serializers.IntegerField(
        allow_null=True, help_text="How many it offers; null while it is not reached, or not asked for yet."
    )
    problem = serializers.CharField(help_text="Why its tools are missing; empty where nothing is wrong.")
    told_at = serializers.DateTimeField(allow_null=True, help_text="When a worker last said so; null: never.")


class LimitsOutput(serializers.Serializer):
    upload_bytes = serializers.IntegerField()
    context_file_bytes = serializers.IntegerField()
    queued_messages = serializers.IntegerField(help_text="Of one conversation.")
    run_seconds = serializers.IntegerField()


class CapabilitiesOutput(serializers.Serializer):
    model = serializers.CharField()
    model_usable = serializers.BooleanField()
    streaming = serializers.BooleanField()
    vision = serializers.BooleanField(help_text="The default model reads images.")
    reasoning = serializers.BooleanField()
    tools = serializers.BooleanField(help_text="Tools are offered to the default model.")
    tool_names = serializers.ListField(
        child=serializers.CharField(), help_text="Our own; without MCP servers'."
    )
    mcp_servers = McpServerOutput(many=True, help_text="Those whose tools one is offered.")
    approvals = serializers.BooleanField()
    permission_mode = serializers.CharField(help_text="Of everybody who has set none; see /security/config.")
    context_window = serializers.IntegerField(allow_null=True)
    uploads = serializers.ListField(child=serializers.CharField())
    on_busy = serializers.ListField(child=serializers.CharField())
    sandbox = SandboxOutput()
    limits = LimitsOutput()


class InfoOutput(serializers.Serializer):
    name = serializers.CharField()
    api_version = serializers.CharField()
    python = serializers.CharField()
    django = serializers.CharField()
    postgres = serializers.CharField()
    model = serializers.CharField()
    workspace = serializers.CharField(help_text="One's own part of it on the server.")


class WorkersOutput(serializers.Serializer):
    alive = serializers.IntegerField()
    slots = serializers.IntegerField(help_text="Runs that they take at once.")


class RunCountsOutput(serializers.Serializer):
    queued = serializers.IntegerField()
    active = serializers.IntegerField()


class StatusOutput(serializers.Serializer):
    status = serializers.ChoiceField(["ok", "degraded"])
    workers = WorkersOutput()
    runs = RunCountsOutput(help_text="One's own.")
    model = serializers.CharField()
    model_usable = serializers.BooleanField()
    time = serializers.DateTimeField()


class Models(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="list_models",
        summary="The models that can be asked",
        responses={200: ModelsOutput},
        examples=examples(
            response={
                "models": [_LOCAL_EXAMPLE],
                "default": "local",
                "default_problem": None,
                "providers": {},
            }
        ),
    )
    def get(self, request: Request) -> Response:
        return Response(
            {
                "models": [_model_data(info) for info in registry.usable_models()],
                "default": settings.PENGUIN_MODEL,
                "default_problem": system_state.default_model_problem(),
                "providers": registry.usable_providers(),
            }
        )


class Capabilities(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_capabilities",
        summary="What a message can ask for here",
        responses={200: CapabilitiesOutput},
    )
    def get(self, request: Request) -> Response:
        info = system_state.default_model()
        offers_tools = info is not None and tool_registry.may_call_tools(info)
        return Response(
            {
                "model": settings.PENGUIN_MODEL,
                "model_usable": info is not None,
                "streaming": True,
                "vision": bool(info and info.vision),
                "reasoning": bool(info and info.reasoning),
                "tools": offers_tools,
                "tool_names": [tool.name for tool in tool_registry.built_in()] if offers_tools else [],
                "mcp_servers": mcp_states.described_for(
                    request.user.get_username(), is_local_owner=request.auth.is_local_owner
                )
                if offers_tools
                else [],
                "approvals": offers_tools,
                "permission_mode": settings.PENGUIN_PERMISSION_MODE,
                "context_window": info.context_window if info else None,
                "uploads": ["image/png", "image/jpeg", "image/gif", "image/webp", "text/*"],
                "on_busy": ["enqueue", "steer", "interrupt", "reject"],
                "sandbox": sandbox.report(),
                "limits": {
                    "upload_bytes": settings.PENGUIN_UPLOAD_MAX_BYTES,
                    "context_file_bytes": context_files.MOST_BYTES,
                    "queued_messages": settings.PENGUIN_QUEUE_CAP,
                    "run_seconds": settings.PENGUIN_RUN_TIMEOUT_SECONDS,
                },
            }
        )


class SystemInfo(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(operation_id="get_system_info", summary="Versions and places", responses={200: InfoOutput})
    def get(self, request: Request) -> Response:
        workspace = directories.own_workspace(request.user.id, is_local_owner=request.auth.is_local_owner)
        return Response(
            {
                "name": "Penguin",
                "api_version": "v1",
                "python": platform.python_version(),
                "django": django.get_version(),
                "postgres": system_state.database_version(),
                "model": settings.PENGUIN_MODEL,
                "workspace": str(workspace),
            }
        )


class SystemStatus(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_system_status",
        summary="Whether messages are answered, and what is under way",
        responses={200: StatusOutput},
    )
    def get(self, request: Request) -> Response:
        now = timezone.now()
        workers = [worker for worker in system_state.living_workers(now=now) if not worker["draining"]]
        is_usable = system_state.default_model() is not None
        return Response(
            {
                "status": "ok" if workers and is_usable else "degraded",
                "workers": {"alive": len(workers), "slots": sum(worker["concurrency"] for worker in workers)},
                "runs": system_state.open_runs_of(request.user.id),
                "model": settings.PENGUIN_MODEL,
                "model_usable": is_usable,
                "time": now,
            }
        )


def _model_data(info: ModelInfo) -> dict[str, Any]:
    return {
        "id": info.name,
        "name": info.name,
        "provider": info.provider,
        "context_window": info.context_window,
        "vision": info.vision,
        "tools": info.tools,
        "reasoning": info.reasoning,
        "is_local": info.is_local,
        "is_default": info.name == settings.PENGUIN_MODEL,
    }
