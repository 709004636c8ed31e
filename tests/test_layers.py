"""Imports point one way: between the apps, and inside each of them."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Each imports only from those to its right.
APPS = ("penguin_site", "tasks", "conversations", "ads")
# What the apps on the right may use of the site.
SHARED = {"errors", "audit", "idempotency", "embeddings"}


def modules(folder: str) -> Iterator[Path]:
    yield from sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_by(path: Path) -> Iterator[str]:
    """Full names, of what stands inside functions too; `from a import b` gives `a.b`."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def layer(name: str) -> int:
    """Inside an app: 3 what clients and operators touch, 2 domain, 1 models, 0 core."""
    inner = name.split(".")[1:]
    if not inner or inner[0] == "core":
        return 0
    if inner[0] == "models":
        return 1
    return 3 if inner[0] in {"api", "consumers", "admin", "management"} else 2


@pytest.mark.parametrize("app", APPS)
def test_an_app_imports_only_from_its_right(app):
    to_the_left = APPS[: APPS.index(app)]
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(app)
        if "migrations" not in path.parts
        for name in imported_by(path)
        if name.split(".")[0] in to_the_left
        and not (
            name.split(".")[0] == "penguin_site" and name.split(".")[1:2] and name.split(".")[1] in SHARED
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("app", [app for app in APPS if app != "penguin_site"])
def test_inside_an_app_imports_go_from_the_outside_to_the_core(app):
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(app)
        if "migrations" not in path.parts and path.name != "apps.py"
        for name in imported_by(path)
        if name.split(".")[0] == app and layer(name) > layer(name_of(path))
    ]
    assert wrong == []


def core_modules() -> list[str]:
    return [name_of(path) for app in APPS for path in modules(f"{app}/core")]


@pytest.mark.parametrize("app", APPS)
def test_the_core_imports_nothing_of_ours_but_core(app):
    wrong = [
        f"{name_of(path)} imports {name}"
        for path in modules(f"{app}/core")
        for name in imported_by(path)
        if name.split(".")[0] in APPS and name.split(".")[1:2] != ["core"]
    ]
    assert wrong == []


def test_each_core_module_runs_without_django():
    """Each is imported alone, in a process of its own forked from one that has imported nothing."""
    code = """
import importlib, os, sys
failed = []
for name in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        importlib.import_module(name)
        os._exit("django" in sys.modules)
    if os.waitpid(child, 0)[1]:
        failed.append(name)
sys.exit(", ".join(failed) or 0)
"""
    names = core_modules()
    assert len(names) > 10
    result = subprocess.run(
        [sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
