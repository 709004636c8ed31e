"""The OpenAPI document: complete, honest about errors and keys, and readable without any third party."""

import json
import re

import pytest
import yaml
from django.test import Client

from penguin_site import api_pages

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(capfd) -> dict:
    api_pages.document.cache_clear()
    response = Client().get("/api/schema")
    assert response.status_code == 200
    assert "Warning" not in capfd.readouterr().err
    return response.json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_it_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert "/api/v1/chat/stream" in document["info"]["description"]


def test_every_route_of_the_api_is_in_it(document):
    from tests.site.routes import api_routes

    templates = {re.sub(r"<\w+:(\w+)>", r"{\1}", f"/{route.template}") for route in api_routes()}
    assert set(document["paths"]) == templates


def test_every_operation_names_its_errors_and_keys(document):
    schemes = document["components"]["securitySchemes"]
    assert set(schemes) == {"ApiKey", "Bearer", "Session"}
    for path, method, operation in operations(document):
        responses = operation["responses"]
        expected = {"400", "403", "500"}
        if path != "/api/v1/health":
            expected |= {"401", "429"}
            assert operation["security"] == [{"ApiKey": []}, {"Bearer": []}, {"Session": []}], path
        if "{" in path:
            expected.add("404")
        assert expected <= set(responses), (path, method)
        assert operation.get("summary") or operation.get("description"), (path, method)
        for status, response in responses.items():
            if status >= "400" and path != "/api/v1/health":
                schema = json.dumps(response["content"]["application/json"]["schema"])
                assert "Error" in schema, (path, method, status)


def test_operation_names_are_unique(document):
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert not [name for name in names if re.search(r"_\d+$", name)]


def test_idempotent_operations_name_the_header(document):
    operation = document["paths"]["/api/v1/conversations/create"]["post"]
    assert "Idempotency-Key" in [parameter["name"] for parameter in operation["parameters"]]


@pytest.mark.parametrize(
    ("path", "accept", "kind"),
    [
        ("/api/schema", "*/*", "application/json"),
        ("/api/schema", "application/yaml", "application/yaml"),
        ("/api/schema", "image/png", "application/json"),
        ("/api/schema?format=json", "application/yaml", "application/json"),
        ("/api/schema?format=yaml", "*/*", "application/yaml"),
        ("/api/schema?format=xml", "*/*", "application/json"),
    ],
)
def test_json_and_yaml(path, accept, kind, document):
    response = Client().get(path, headers={"Accept": accept})
    assert response.headers["Content-Type"].startswith(kind)
    read = json.loads if kind.endswith("json") else yaml.safe_load
    assert read(response.content)["paths"].keys() == document["paths"].keys()


def test_the_page_loads_nothing_from_elsewhere():
    page = Client().get("/api/docs")
    script = Client().get("/api/docs?script=")
    assert (page.status_code, script.status_code) == (200, 200)
    text = page.content.decode()
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", text)
    assert not re.findall(r"<script(?![^>]*\bsrc=)", text)  # no inline script: the policy forbids them
    assert "unsafe-inline" not in page.headers["Content-Security-Policy"].split("style-src")[0]
    for address in re.findall(r"""(?:src|href)=["'](/static/[^"']+)""", text):
        file = Client().get(address)
        file.close()
        assert file.status_code == 200, address
