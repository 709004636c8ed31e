"""Uploads, artifacts and the images of messages."""

import base64
import os
import struct
import zlib
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from conversations import uploads
from conversations.models import Artifact
from penguin_site.errors import DomainError
from tests.factories import ArtifactFactory, ConversationFactory

UPLOAD = "/api/v1/upload"


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


PNG = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0\0"))
    + chunk(b"IEND", b"")
)
GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" + (
    b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
)
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x01\x00\x01\x01\x01\x11\x00\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00\x7f\xff\xd9"
)
WEBP = (
    b"RIFF" + struct.pack("<I", 4 + 8 + 6) + b"WEBPVP8L" + struct.pack("<I", 6) + b"\x2f\x00\x00\x00\x00\x00"
)


def send(api, name: str, data: bytes, content_type: str = "application/octet-stream"):
    return api.post(UPLOAD, {"file": SimpleUploadedFile(name, data, content_type)})


@pytest.mark.parametrize(
    ("name", "data", "content_type", "kept_type"),
    [
        ("a.png", PNG, "image/png", "image/png"),
        ("A.PNG", PNG, "", "image/png"),
        ("a.jpg", JPEG, "image/jpeg", "image/jpeg"),
        ("a.jpeg", JPEG, "image/jpg", "image/jpeg"),
        ("a.gif", GIF, "image/gif", "image/gif"),
        ("a.webp", WEBP, "application/octet-stream", "image/webp"),
        ("notes.txt", "é🐧".encode(), "text/plain; charset=utf-8", "text/plain"),
        ("notes.md", b"# x", "text/markdown", "text/markdown"),
        ("data.json", b"{}", "application/json", "application/json"),
        ("main.py", b"pass", "text/x-python", "text/plain"),
        ("empty.txt", b"", "text/plain", "text/plain"),
        ("Makefile", b"all:", "", "text/plain"),
    ],
)
def test_images_and_texts_are_kept_and_given_back(api, person, name, data, content_type, kept_type):
    response = send(api, name, data, content_type)
    assert response.status_code == 200, response.content
    body = response.json()
    assert (body["filename"], body["content_type"], body["size_bytes"]) == (name, kept_type, len(data))
    assert body["path"] == f"/api/v1/artifacts/{body['id']}"
    given = api.get(body["path"])
    assert given.content == data
    assert given["Content-Type"].startswith(kept_type)
    assert given["Content-Disposition"].startswith("attachment")
    assert given["X-Content-Type-Options"] == "nosniff"
    assert Artifact.objects.get().owner == person


@pytest.mark.parametrize(
    ("name", "data", "content_type", "status"),
    [
        ("a.png", JPEG, "image/png", 400),
        ("a.jpg", PNG, "image/png", 400),
        ("a.png", PNG, "image/jpeg", 400),
        ("a.png", PNG, "text/plain", 400),
        ("a.txt", PNG, "text/plain", 400),
        ("a.txt", b"text", "image/png", 400),
        ("a.png", b"<script>", "image/png", 400),
        ("a.png", b"", "image/png", 400),
        ("a.png", PNG[:-4], "image/png", 400),
        ("a.png", PNG[:20], "image/png", 400),
        ("a.png", PNG + b"PK\x03\x04zip", "image/png", 400),
        ("a.png", PNG.replace(b"IDAT", b"IDAX"), "image/png", 400),
        ("a.gif", GIF + b"<script>alert(1)</script>", "image/gif", 400),
        ("a.gif", b"GIF89a/*" + b"*/=1;", "image/gif", 400),
        ("a.jpg", JPEG + b"<?php ?>", "image/jpeg", 400),
        ("a.jpg", b"\xff\xd8\xff\xd9", "image/jpeg", 400),
        ("a.webp", WEBP + b"x", "image/webp", 400),
        ("a.webp", b"RIFF\x04\x00\x00\x00WEBP", "image/webp", 400),
        ("a.txt", b"\x00", "text/plain", 400),
        ("a.txt", b"caf\xe9", "text/plain", 400),
        ("a.exe", b"MZ", "application/octet-stream", 415),
        ("a.pdf", b"%PDF-1.7", "application/pdf", 415),
        ("a.svg", b"<svg/>", "image/svg+xml", 415),
        ("a.png", PNG, "application/pdf", 415),
        ("a.txt.exe", b"text", "text/plain", 415),
        ("a.zip", b"PK\x03\x04", "application/zip", 415),
    ],
)
def test_what_is_not_what_it_says_is_refused(api, name, data, content_type, status):
    response = send(api, name, data, content_type)
    assert response.status_code == status, response.content
    assert not Artifact.objects.exists()


def test_a_large_upload_is_refused(api, settings):
    settings.PENGUIN_UPLOAD_MAX_BYTES = 1000
    assert send(api, "a.txt", b"x" * 1000, "text/plain").status_code == 200
    response = send(api, "a.txt", b"x" * 1001, "text/plain")
    assert (response.status_code, response.json()["code"]) == (413, "payload_too_large")


def send_named(api, name: bytes):
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
        b"Content-Type: text/plain\r\n\r\nx\r\n--b--\r\n"
    )
    return api.generic("POST", UPLOAD, body, "multipart/form-data; boundary=b")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"../../etc/passwd.txt", "passwd.txt"),
        (b"C:\\x\\a.txt", "a.txt"),
        ("é🐧.txt".encode(), "é🐧.txt"),
        (b"a\x00b.txt", "ab.txt"),
        (b"x" * 300 + b".txt", "x" * 251 + ".txt"),
    ],
)
def test_a_file_name_is_a_name_and_no_path(api, sent, kept):
    body = send_named(api, sent).json()
    assert body["filename"] == kept
    assert api.get(body["path"])["Content-Disposition"].isprintable()


@pytest.mark.parametrize("name", [b"", b"..", b"/", b"\x00"])
def test_a_file_without_a_name_is_no_file(api, name):
    assert send_named(api, name).status_code == 400


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"", "multipart/form-data; boundary=b", 400),
        (b"garbage", "multipart/form-data; boundary=b", 400),
        (b"garbage", "multipart/form-data", 400),
        (b"{}", "application/json", 415),
        (b"x", "text/plain", 415),
        (
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nno file\r\n--b--\r\n',
            "multipart/form-data; boundary=b",
            400,
        ),
    ],
)
def test_an_upload_without_a_file_is_refused(api, body, content_type, status):
    assert api.generic("POST", UPLOAD, body, content_type).status_code == status


def test_an_upload_repeated_with_a_key_is_kept_once(api):
    def send_once():
        file = SimpleUploadedFile("a.txt", b"x", "text/plain")
        return api.post(UPLOAD, {"file": file}, headers={"Idempotency-Key": "k"}).json()

    assert send_once() == send_once()
    assert Artifact.objects.count() == 1


def test_an_artifact_is_its_owners_alone(api, person):
    own, foreign = ArtifactFactory(owner=person), ArtifactFactory()
    assert api.get(f"/api/v1/artifacts/{own.id}").status_code == 200
    assert api.get(f"/api/v1/artifacts/{foreign.id}").status_code == 404
    assert api.get(f"/api/v1/artifacts/{uuid4()}").status_code == 404
    assert api.get("/api/v1/artifacts/x").status_code == 404


def test_a_page_is_given_back_as_a_file(api, person):
    artifact = ArtifactFactory(
        owner=person, filename='x".html', content_type="text/html", content=b"<script>alert(1)</script>"
    )
    given = api.get(f"/api/v1/artifacts/{artifact.id}")
    assert given["Content-Disposition"].startswith("attachment; filename=")
    assert "sandbox" in given["Content-Security-Policy"]


# --- images of a message


def collect(person, images=(), image_paths=(), directory=None) -> list[Artifact]:
    return uploads.collect_images(
        owner_id=person.pk, images=images, image_paths=image_paths, directory=directory
    )


def data_url(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def test_images_come_from_data_urls_uploads_and_the_directory(person, tmp_path):
    (tmp_path / "shots").mkdir()
    (tmp_path / "shots" / "s.gif").write_bytes(GIF)
    upload = ArtifactFactory(owner=person, filename="u.png", content_type="image/png", content=PNG)
    found = collect(
        person,
        images=[data_url(JPEG, "image/jpg"), str(upload.id), f"/api/v1/artifacts/{upload.id}"],
        image_paths=["shots/s.gif", str(tmp_path / "shots" / "s.gif")],
        directory=str(tmp_path),
    )
    assert [artifact.content_type for artifact in found] == [
        "image/jpeg",
        "image/png",
        "image/png",
        "image/gif",
        "image/gif",
    ]
    assert Artifact.objects.count() == 1
    conversation = ConversationFactory(owner=person)
    parts = uploads.keep_images(found, conversation_id=conversation.id)
    assert Artifact.objects.count() == 4
    stored = [Artifact.objects.get(id=part["artifact_id"]) for part in parts]
    assert [bytes(artifact.content) for artifact in stored] == [JPEG, PNG, PNG, GIF, GIF]
    assert {artifact.owner_id for artifact in stored} == {person.pk}


@pytest.mark.parametrize(
    ("image", "status"),
    [
        ("data:image/png;base64,!!!", 400),
        ("data:image/png;base64,AAA", 400),
        ("data:image/png,AAAA", 400),
        (data_url(PNG, "image/jpeg"), 400),
        (data_url(b"text", "text/plain"), 415),
        (data_url(b"<svg/>", "image/svg+xml"), 415),
        ("http://127.0.0.1/x.png", 400),
        ("/etc/passwd", 400),
        ("018e8f5a-0000-7000-8000-000000000009", 404),
    ],
)
def test_a_wrong_image_is_refused(person, image, status):
    with pytest.raises(DomainError) as error:
        collect(person, images=[image])
    assert error.value.status == status


def test_another_persons_upload_and_a_text_are_no_images(person):
    foreign = ArtifactFactory(content_type="image/png", content=PNG)
    text = ArtifactFactory(owner=person)
    for artifact, status in ((foreign, 404), (text, 400)):
        with pytest.raises(DomainError) as error:
            collect(person, images=[str(artifact.id)])
        assert error.value.status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("missing.png", 404),
        ("../out.png", 400),
        ("link.png", 400),
        ("/etc/passwd", 400),
        ("notes.txt", 415),
        ("wrong.gif", 415),
        ("pipe.png", 400),
        ("", 400),
    ],
)
def test_an_image_path_stays_beneath_the_directory(person, tmp_path, path, status):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out.png").write_bytes(PNG)
    (root / "link.png").symlink_to(tmp_path / "out.png")
    (root / "notes.txt").write_text("text")
    (root / "wrong.gif").write_bytes(PNG)
    os.mkfifo(root / "pipe.png")
    with pytest.raises(DomainError) as error:
        collect(person, image_paths=[path], directory=str(root))
    assert error.value.status == status


def test_an_image_path_needs_a_directory(person):
    with pytest.raises(DomainError) as error:
        collect(person, image_paths=["a.png"])
    assert error.value.status == 400
