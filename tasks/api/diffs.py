"""`GET /executions/{id}/diff`: what an execution has changed in the repository it works in."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations.api.schema import errors, examples
from tasks import diffs, executions


class FileChangeOutput(serializers.Serializer):
    path = serializers.CharField()
    old_path = serializers.CharField(allow_null=True, help_text="Of a renamed file.")
    status = serializers.ChoiceField(["added", "modified", "deleted", "renamed", "type_changed"])
    additions = serializers.IntegerField(allow_null=True, help_text="Lines; empty for a binary file.")
    deletions = serializers.IntegerField(allow_null=True)


class DiffOutput(serializers.Serializer):
    execution_id = serializers.UUIDField()
    base_tree = serializers.CharField(help_text="Git's name of the state at the start.")
    final = serializers.BooleanField(help_text="The execution has ended, and this is kept; else as of now.")
    text = serializers.CharField(allow_blank=True, help_text="A unified diff as git writes it.")
    files = FileChangeOutput(many=True)
    files_changed = serializers.IntegerField()
    additions = serializers.IntegerField()
    deletions = serializers.IntegerField()
    truncated = serializers.BooleanField(help_text="`text` or `files` are cut; the sums are of all of it.")
    left_out = serializers.ListField(
        child=serializers.CharField(), help_text="What git could not take in: a repository within, say."
    )
    created_at = serializers.DateTimeField(allow_null=True, help_text="When it was stored.")


_EXAMPLE = {
    "execution_id": "018e8f5a-0000-7000-8000-000000000012",
    "base_tree": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "final": True,
    "text": (
        "diff --git a/README.md b/README.md\nindex 5626abf..814f4a4 100644\n--- a/README.md\n+++ b/README.md\n"
        "@@ -1 +1,2 @@\n one\n+two\n"
    ),
    "files": [
        {"path": "README.md", "old_path": None, "status": "modified", "additions": 1, "deletions": 0},
    ],
    "files_changed": 1,
    "additions": 1,
    "deletions": 0,
    "truncated": False,
    "left_out": [],
    "created_at": "2024-03-30T12:35:38Z",
}


class ExecutionDiffView(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_execution_diff",
        summary="What an execution has changed",
        description=(
            "Where its directory is a git repository: the difference between all files that git does not ignore as "
            "they were at the start and as they are now, or were at the end. Commits do not matter to it, nor what "
            "the repository is configured to run or to hide; its branches, index and files stay untouched. 409 "
            "`no_diff` without a repository (or without a sandbox), 409 `diff_unavailable` when it cannot be made, 429 "
            "while others are being made."
        ),
        responses={200: DiffOutput, **errors(404, 409)},
        examples=examples(response=_EXAMPLE),
    )
    def get(self, request: Request, execution_id: UUID) -> Response:
        execution = executions.find_execution(execution_id, owner_id=request.user.pk)
        found = diffs.diff_of(execution)
        return Response(
            {
                "execution_id": str(execution.id),
                "base_tree": execution.base_tree,
                "final": found["final"],
                **found["diff"],
                "created_at": found["created_at"],
            }
        )
