"""Files that people hand in: checked, stored, given back to their owner, and handed to models as images."""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

from django.conf import settings

from conversations import confined_files
from conversations.core.image_formats import image_type
from conversations.core.text_files import TEXT_TYPES, decoded_text, is_text_type
from conversations.models import Artifact
from penguin_site.errors import InvalidField, NotFound, PayloadTooLarge, UnsupportedMediaType

_IMAGE_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
}
_NOT_STATED = {"", "application/octet-stream", "binary/octet-stream"}
_SAME_TYPE = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg"}
_DATA_URL = re.compile(
    r"data:(?P<type>[\w.+-]+/[\w.+-]+)(?:;[\w-]+=[\w.+-]+)*;base64,(?P<data>[A-Za-z0-9+/=]*)", re.ASCII
)
_ARTIFACT_PATH = "/api/v1/artifacts/"


class ArtifactNotFound(NotFound):
    """There is no such file."""


class UnsupportedUpload(UnsupportedMediaType):
    """Send a PNG, JPEG, GIF or WebP image, or a text file."""


class UploadTooLarge(PayloadTooLarge):
    """This file is too large."""


def store_upload(*, owner_id: int, filename: str, content_type: str, data: bytes) -> Artifact:
    """Checks and keeps a file. Its type as stated, its extension and its bytes have to tell the same."""
    artifact = _new_artifact(owner_id, filename, _agreed_type(filename, content_type, data), data)
    artifact.save(force_insert=True)
    return artifact


def check_size(size: int) -> None:
    """Refuses a file by its length, before it is read."""
    if size > settings.PENGUIN_UPLOAD_MAX_BYTES:
        raise UploadTooLarge(f"A file may have at most {settings.PENGUIN_UPLOAD_MAX_BYTES} bytes.")


def path_of(artifact: Artifact) -> str:
    return f"{_ARTIFACT_PATH}{artifact.id}"


def get_artifact(*, owner_id: int, artifact_id: UUID) -> Artifact:
    try:
        return Artifact.objects.get(id=artifact_id, owner_id=owner_id)
    except Artifact.DoesNotExist:
        raise ArtifactNotFound from None


def collect_images(
    *, owner_id: int, images: Sequence[str], image_paths: Sequence[str], directory: str | None
) -> list[Artifact]:
    """The images of a message, in order: data URLs, uploads by id, files beneath the session's directory.

    Only checked and read here; `keep_images` stores those that are new once the message is to be accepted.
    """
    found = [_image_of(owner_id, image) for image in images]
    return found + [_image_at(owner_id, path, directory) for path in image_paths]


def keep_images(artifacts: Sequence[Artifact], *, conversation_id: int | None = None) -> list[dict[str, Any]]:
    """Stores the images that are not stored yet; returns the message parts that refer to them."""
    new = [artifact for artifact in artifacts if artifact._state.adding]
    for artifact in new:
        artifact.conversation_id = conversation_id
    Artifact.objects.bulk_create(new)
    return [
        {
            "id": str(artifact.id),
            "type": "image",
            "artifact_id": str(artifact.id),
            "filename": artifact.filename,
            "content_type": artifact.content_type,
            "status": "complete",
        }
        for artifact in artifacts
    ]


def _agreed_type(filename: str, content_type: str, data: bytes) -> str:
    check_size(len(data))
    stated = content_type.partition(";")[0].strip().lower()
    stated = _SAME_TYPE.get(stated, stated)
    extension = PurePosixPath(filename).suffix.lower()
    expected = _IMAGE_TYPES.get(extension) or TEXT_TYPES.get(extension)
    if expected is None:
        raise UnsupportedUpload(f"Files named *{extension or ' without an extension'} are not accepted.")
    is_image = extension in _IMAGE_TYPES
    if stated not in _NOT_STATED:
        if stated not in _IMAGE_TYPES.values() and not is_text_type(stated):
            raise UnsupportedUpload(f"{stated} is not accepted here.")
        if (stated != expected) if is_image else not is_text_type(stated):
            raise InvalidField("file", f"a file named *{extension} is not {stated}.")
    agrees = image_type(data) == expected if is_image else decoded_text(data) is not None
    if not agrees:
        raise InvalidField("file", f"the content is not what *{extension} says.")
    return expected


def _new_artifact(owner_id: int, filename: str, content_type: str, data: bytes) -> Artifact:
    return Artifact(
        owner_id=owner_id,
        filename=filename[-255:],
        content_type=content_type,
        size_bytes=len(data),
        sha256=hashlib.sha256(data).digest(),
        content=data,
    )


def _image_of(owner_id: int, image: str) -> Artifact:
    """An image by its data URL, its id or the path that the upload was answered with."""
    if image.startswith("data:"):
        return _image_from_data_url(owner_id, image)
    try:
        artifact_id = UUID(image.removeprefix(_ARTIFACT_PATH))
    except ValueError:
        raise InvalidField(
            "images", "send a data URL (data:image/png;base64,...) or the id of an upload."
        ) from None
    return _stored_image(owner_id, artifact_id, "images")


def _stored_image(owner_id: int, artifact_id: UUID, field: str) -> Artifact:
    artifact = get_artifact(owner_id=owner_id, artifact_id=artifact_id)
    if artifact.content_type not in _IMAGE_TYPES.values():
        raise InvalidField(field, "this upload is not an image.")
    return artifact


def _image_from_data_url(owner_id: int, url: str) -> Artifact:
    match = _DATA_URL.fullmatch(url)
    if not match:
        raise InvalidField("images", "this is not a base64 data URL.")
    try:
        data = base64.b64decode(match["data"], validate=True)
    except binascii.Error:
        raise InvalidField("images", "this is not a base64 data URL.") from None
    stated = _SAME_TYPE.get(match["type"].lower(), match["type"].lower())
    if stated not in _IMAGE_TYPES.values():
        raise UnsupportedUpload(f"{stated} is not accepted here.")
    check_size(len(data))
    if image_type(data) != stated:
        raise InvalidField("images", f"the content is not {stated}.")
    return _new_artifact(owner_id, f"image.{stated.removeprefix('image/')}", stated, data)


def _image_at(owner_id: int, path: str, directory: str | None) -> Artifact:
    """An image file beneath the session's directory (or, for convenience, the path of an upload)."""
    if path.startswith(_ARTIFACT_PATH):
        try:
            return _stored_image(owner_id, UUID(path.removeprefix(_ARTIFACT_PATH)), "image_paths")
        except ValueError:
            raise ArtifactNotFound from None
    if directory is None:
        raise InvalidField(
            "image_paths", "the session has no directory; send `directory`, or upload the image."
        )
    data = confined_files.read_file(Path(directory), path, most_bytes=settings.PENGUIN_UPLOAD_MAX_BYTES)
    media_type = image_type(data)
    if media_type is None or _IMAGE_TYPES.get(PurePosixPath(path).suffix.lower(), media_type) != media_type:
        raise UnsupportedUpload(
            "image_paths: this file is not a PNG, JPEG, GIF or WebP image as it is named."
        )
    return _new_artifact(owner_id, PurePosixPath(path).name, media_type, data)
