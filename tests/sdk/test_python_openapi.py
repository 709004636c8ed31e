"""The SDK's types against the documents that the server serves, so that neither changes alone; and its import."""

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    Unpack,
    get_args,
    get_origin,
    get_type_hints,
)
from typing import is_typeddict as is_typed_dict

import pytest
from django.test import Client
from penguin_sdk import _ads, _conversations, _steps, _tasks
from penguin_sdk.types.limits import Limit

from tests.processes import ROOT

PACKAGE = ROOT / "sdk/python"
BOUNDS = {"min_length": "minLength", "max_length": "maxLength", "minimum": "minimum", "maximum": "maximum",
          "max_items": "maxItems"}  # fmt: skip
# The SDK fills them in.
FILLED = {"event_id", "occurred_at", "agent_id", "client_message_id"}
# Of older clients, or no business of a caller.
LEFT_OUT = {"country", "language", "platform", "agent_response", "sdk", "wait", "project"}
# What one route takes for two: `api-v1/feedback` also takes feedback on ads.
OF_ADS_FEEDBACK = {"tracking_token", "reaction", "user_response", "conversation_history", "context"}
OPERATIONS = [
    function
    for module in (_ads, _conversations, _tasks)
    for name, function in inspect.getmembers(module, inspect.isfunction)
    if function.__module__ == module.__name__ and not name.startswith("_")
    if get_origin(get_type_hints(function).get("return")) is get_origin(_steps.Steps[Any])
    if name not in ("until_ended", "wait_for_run", "wait_for_execution", "decide_from_context")
]


@pytest.fixture
def documents(db: None) -> dict[str, Any]:
    paths = {"agent": "/api/schema", "ads": "/functions/v1/api-v1/openapi.json"}
    return {api: Client().get(path).json() for api, path in paths.items()}


def test_every_operation_is_as_the_documents_say(documents: dict[str, Any]) -> None:
    assert len(OPERATIONS) > 55
    assert problems(documents) == []


def problems(documents: Mapping[str, Any]) -> list[str]:
    return [line for operation in OPERATIONS for line in Comparison(operation, documents).problems()]


def test_a_change_of_the_documents_is_noticed(documents: dict[str, Any]) -> None:
    ads, agent = documents["ads"], documents["agent"]
    shapes = {**ads["components"]["schemas"], **agent["components"]["schemas"]}
    ads["paths"]["/functions/v1/rules"] = ads["paths"].pop("/functions/v1/policy")
    shapes["DecideInputRequest"]["properties"]["max_results"]["maximum"] = 10
    shapes["SearchInputRequest"]["properties"]["mood"] = {"type": "string"}
    shapes["RatingInputRequest"]["required"].append("context")
    shapes["ApprovalStatus"]["enum"].append("forgotten")
    shapes["ConversationOutput"]["properties"]["mood"] = {"type": "string"}
    shapes["TaskOutput"]["properties"]["priority"] = {"type": "string"}
    shapes["RunOutput"]["required"].remove("attempt")
    shapes["ExecuteInputRequest"]["properties"].pop("continuous")
    found = {line.partition(":")[0] for line in problems(documents)}
    assert found >= {
        "policy", "decide.max_results", "search", "rate_business", "approve.status", "update_conversation.mood",
        "get_task.priority", "get_run.attempt", "execute",
    }  # fmt: skip


class Comparison:
    """One operation of the SDK beside one of a document."""

    def __init__(self, operation: Callable[..., Any], documents: Mapping[str, Any]) -> None:
        self.name, self.operation = operation.__name__, operation
        self.request = self._first_request()
        self.document = documents[self.request.api]
        self.lines: list[str] = []

    def problems(self) -> list[str]:
        found = self._found()
        if found is None:
            return [f"{self.name}: no {self.request.method} {self.request.path}"]
        self._compare_input(found)
        self._compare_output(found)
        return self.lines

    def _first_request(self) -> Any:
        """What it asks first, with made-up arguments."""
        arguments: dict[str, Any] = {}
        for name, hint in self._input_hints().items():
            arguments[name] = example_of(hint)
        if self.name == "send_feedback":
            arguments["reaction"] = "positive"
        if self.name == "track_event":
            arguments |= {"unit_id": "x", "agent_id": "x"}
        return self.operation(**arguments).send(None)

    def _input_hints(self) -> dict[str, Any]:
        """What has to be given."""
        hints = get_type_hints(self.operation, include_extras=True)
        needed = {}
        for name, parameter in inspect.signature(self.operation).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                fields = get_type_hints(get_args(hints[name])[0], include_extras=True)
                needed |= {key: hint for key, hint in fields.items() if get_origin(hint) is Required}
            elif parameter.default is parameter.empty:
                needed[name] = hints[name]
        return needed

    def _found(self) -> dict[str, Any] | None:
        path = {"ads": "/functions/v1", "agent": "/api/v1"}[self.request.api] + self.request.path.partition(
            "?"
        )[0]
        for template, methods in self.document["paths"].items():
            found: dict[str, Any] | None = methods.get(self.request.method.lower())
            if found and re.fullmatch(re.sub(r"\\\{\w+\\\}", "x", re.escape(template)), path):
                return found
        return None

    # What goes in

    def _compare_input(self, found: dict[str, Any]) -> None:
        hints = get_type_hints(self.operation, include_extras=True)
        fields: dict[str, Any] = {}
        for hint in hints.values():
            if get_origin(hint) is Unpack:
                fields |= get_type_hints(get_args(hint)[0], include_extras=True)
        schema = self._input_schema(found)
        if not fields:
            return
        for name, hint in fields.items():
            if name not in schema["properties"]:
                self.lines.append(f"{self.name}: {name} is not taken")
            else:
                self._compare(f"{self.name}.{name}", hint, schema["properties"][name], is_input=True)
        known = set(fields) | set(inspect.signature(self.operation).parameters) | LEFT_OUT
        if self.name == "send_session_feedback":
            known |= OF_ADS_FEEDBACK
        for name in set(schema["properties"]) - known:
            self.lines.append(f"{self.name}: {name} cannot be said")
        for name in schema.get("required", ()):
            needed = name not in fields or get_origin(fields[name]) is Required
            if not needed and name not in FILLED:
                self.lines.append(f"{self.name}: {name} is required")

    def _input_schema(self, found: dict[str, Any]) -> dict[str, Any]:
        if self.request.method in ("GET", "DELETE"):
            asked = [each for each in found.get("parameters", ()) if each["in"] == "query"]
            required = [each["name"] for each in asked if each.get("required")]
            return {"properties": {each["name"]: each["schema"] for each in asked}, "required": required}
        body = found.get("requestBody")
        if body is None:
            return {"properties": {}}
        return self._resolved(body["content"]["application/json"]["schema"])

    # What comes out

    def _compare_output(self, found: dict[str, Any]) -> None:
        hint = get_args(get_type_hints(self.operation)["return"])[-1]
        answers = [
            each["content"]["application/json"]["schema"]
            for status, each in found["responses"].items()
            if status < "300" and "application/json" in each.get("content", {})
        ]
        choices = [
            choice for answer in answers for choice in answer.get("anyOf", answer.get("oneOf", [answer]))
        ]
        problems = []
        for choice in choices:
            self.lines, kept = [], self.lines
            self._compare(self.name, hint, choice, is_input=False)
            problems.append(self.lines)
            self.lines = kept
        self.lines += min(problems, key=len, default=[f"{self.name}: no answer is described"])

    # Types

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        if "$ref" in schema:
            return self._resolved(self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        if len(schema.get("allOf", ())) == 1:
            return self._resolved(schema["allOf"][0])
        return schema

    def _compare(self, at: str, hint: Any, schema: dict[str, Any], *, is_input: bool) -> None:
        while get_origin(hint) in (Required, NotRequired):
            (hint,) = get_args(hint)
        schema = self._resolved(schema)
        hints, schemas = self._choices(at, hint, schema, is_input), self._schemas(schema)
        kinds, stated = {kind_of(each) for each in hints}, {type_of(each) for each in schemas}
        if "any" in kinds or "any" in stated:
            return
        if kinds != stated:
            self.lines.append(f"{at}: {sorted(kinds)} is {sorted(stated)}")
            return
        for each in hints:
            same = [choice for choice in schemas if type_of(choice) == kind_of(each)]
            self._compare_kind(at, each, same, is_input)

    def _choices(self, at: str, hint: Any, schema: dict[str, Any], is_input: bool) -> list[Any]:
        if get_origin(hint) is Annotated:
            self._compare_limit(at, hint.__metadata__, schema)
            hint = get_args(hint)[0]
        if get_origin(hint) in (Union, UnionType):
            return [one for each in get_args(hint) for one in self._choices(at, each, schema, is_input)]
        return [hint]

    def _schemas(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        """A schema as one for each type."""
        schema = self._resolved(schema)
        several = schema.get("oneOf") or schema.get("anyOf")
        if several:
            return [one for each in several for one in self._schemas(each)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": each} for each in schema["type"]]
        return [schema]

    def _compare_kind(self, at: str, hint: Any, schemas: Sequence[dict[str, Any]], is_input: bool) -> None:
        schema = schemas[0]
        if get_origin(hint) is Literal:
            stated = {value for each in schemas for value in each.get("enum", ())} - {None}
            if set(get_args(hint)) != stated:
                self.lines.append(f"{at}: {get_args(hint)} are {sorted(stated)}")
        elif (
            any("enum" in each and None not in each["enum"] for each in schemas)
            and hint is str
            and not is_input
        ):
            self.lines.append(f"{at}: is one of {schema['enum']}")
        elif type_of(schema) == "array":
            self._compare(f"{at}[]", get_args(hint)[0], schema.get("items", {}), is_input=is_input)
        elif is_typed_dict(hint):
            self._compare_object(at, hint, schema)

    def _compare_object(self, at: str, hint: Any, schema: dict[str, Any]) -> None:
        """An answer: all that the document promises, with the same things left out at times."""
        hints, properties = get_type_hints(hint, include_extras=True), schema.get("properties", {})
        for name in hints.keys() ^ properties.keys():
            self.lines.append(f"{at}.{name}: is only in {'the SDK' if name in hints else 'the document'}")
        for name in hints.keys() & properties.keys():
            self._compare(f"{at}.{name}", hints[name], properties[name], is_input=False)
            is_sure = get_origin(hints[name]) is not NotRequired
            if is_sure != (name in schema.get("required", ())):
                self.lines.append(f"{at}.{name}: may be missing, says one of the two")

    def _compare_limit(self, at: str, limits: Sequence[Limit], schema: dict[str, Any]) -> None:
        for limit in limits:
            for mine, theirs in BOUNDS.items():
                stated = next((each[theirs] for each in self._schemas(schema) if theirs in each), None)
                if getattr(limit, mine) is not None and getattr(limit, mine) != stated:
                    self.lines.append(f"{at}: {mine} {getattr(limit, mine)} is {stated}")


def kind_of(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Literal:
        return "string"
    if hint is Any:
        return "any"
    if is_typed_dict(hint) or origin in (dict, Mapping) or origin is get_origin(Mapping[str, Any]):
        return "object"
    if origin in (list, get_origin(Sequence[str])):
        return "array"
    return {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}[hint]


def type_of(schema: Mapping[str, Any]) -> str:
    if "type" in schema:
        return str(schema["type"])
    if schema.get("enum") == [None]:
        return "null"
    return "string" if "enum" in schema else "any"


def example_of(hint: Any) -> Any:
    while get_origin(hint) in (Required, NotRequired, Annotated):
        hint = get_args(hint)[0]
    if get_origin(hint) in (Union, UnionType):  # an id, or what has one
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        return get_args(hint)[0]
    return {str: "x", int: 1, bool: True}[hint]


def test_package_samples_and_readme_are_strictly_typed(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (PACKAGE / "README.md").read_text(), re.DOTALL)
    for number, block in enumerate(blocks):
        (tmp_path / f"readme_{number}.py").write_text(block)
    files = ["src/penguin_sdk", "samples", *map(str, sorted(tmp_path.glob("*.py")))]
    mypy = subprocess.run([sys.executable, "-m", "mypy", *files], cwd=PACKAGE, capture_output=True, text=True)
    assert mypy.returncode == 0, mypy.stdout + mypy.stderr


def test_importing_is_quick() -> None:
    """httpx, websockets and asyncio take most of the time that there is; they are imported when they are needed."""
    heavy = "('httpx', 'websockets', 'asyncio', 'dataclasses', 'ssl')"
    code = (
        f"import sys, time, penguin_sdk; print([m for m in {heavy} if m in sys.modules], time.process_time())"
    )
    env = os.environ | {"PYTHONPATH": str(PACKAGE / "src")}
    runs = [
        subprocess.run(
            [sys.executable, "-X", "importtime", "-c", code], env=env, capture_output=True, text=True
        )
        for _ in range(3)
    ]
    times = [int(run.stderr.splitlines()[-1].split("|")[1]) for run in runs if "penguin_sdk" in run.stderr]
    print(f"import penguin_sdk: {min(times) / 1000:.0f} ms")
    assert runs[0].stdout.startswith("[] ")
    # Of the processor, the start of Python included: the machine may be busy.
    assert min(float(run.stdout.split()[-1]) for run in runs) < 0.3
