"""Uploads and what is given back: artifacts."""

from uuid import UUID

from django.http import HttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from conversations import uploads
from conversations.api.schema import errors, examples
from penguin_site.errors import InvalidField
from penguin_site.idempotency import idempotent


class UploadInput(serializers.Serializer):
    file = serializers.FileField(help_text="A PNG, JPEG, GIF or WebP image, or a text file (UTF-8).")


class UploadOutput(serializers.Serializer):
    id = serializers.UUIDField()
    path = serializers.CharField(
        help_text="Where to get it; `images` and `image_paths` of a message take it, too."
    )
    filename = serializers.CharField()
    content_type = serializers.CharField()
    size_bytes = serializers.IntegerField()


class Upload(APIView):
    required_scopes = {"POST": "chat"}
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="upload_file",
        summary="Hand in an image or a text file",
        request={"multipart/form-data": UploadInput},
        responses={200: UploadOutput, **errors(413, 415)},
        examples=examples(
            response={
                "id": "018e8f5a-0000-7000-8000-000000000001",
                "path": "/api/v1/artifacts/018e8f5a-0000-7000-8000-000000000001",
                "filename": "screen.png",
                "content_type": "image/png",
                "size_bytes": 48210,
            }
        ),
    )
    @idempotent
    def post(self, request: Request) -> Response:
        file = request.FILES.get("file")
        if file is None:
            raise InvalidField("file", "send a file in the multipart field `file`.")
        uploads.check_size(file.size)
        artifact = uploads.store_upload(
            owner_id=request.user.id,
            filename=file.name,
            content_type=file.content_type or "",
            data=file.read(),
        )
        return Response(
            {
                "id": artifact.id,
                "path": uploads.path_of(artifact),
                "filename": artifact.filename,
                "content_type": artifact.content_type,
                "size_bytes": artifact.size_bytes,
            }
        )


class ArtifactDownload(APIView):
    required_scopes = {"GET": "read"}

    @extend_schema(
        operation_id="get_artifact",
        summary="A file that was uploaded, or output that was too long for the log",
        responses={(200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY), **errors(404)},
    )
    def get(self, request: Request, artifact_id: UUID) -> HttpResponse:
        artifact = uploads.get_artifact(owner_id=request.user.id, artifact_id=artifact_id)
        is_text = not artifact.content_type.startswith("image/")
        # It comes from a person or a tool: a browser must keep it as a file and never show it as a page of ours.
        return HttpResponse(
            bytes(artifact.content),
            content_type=f"{artifact.content_type}; charset=utf-8" if is_text else artifact.content_type,
            headers={
                "Content-Disposition": content_disposition_header(
                    as_attachment=True, filename=artifact.filename
                ),
                "X-Content-Type-Options": "nosniff",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cache-Control": "private, max-age=31536000, immutable",
            },
        )
