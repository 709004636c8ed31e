"""The settings that README.md and .env.example name are those that the code reads, no more and no fewer."""

import ast
import re
from collections.abc import Iterator

from conversations.llm.providers import CHAT_COMPLETIONS, LIBRARY
from tests.processes import ROOT

APPS = ("penguin_site", "conversations", "tasks", "ads")
READERS = {"env_text", "env_bool", "env_int", "env_list", "env_choice", "getenv"}
# Read, but nobody's settings: what `serve` tells its children, and what the system gives every program.
NOT_SETTINGS = {"PENGUIN_WORKER_ID", "PATH"}


def _names_read() -> set[str]:
    """The variables that are read by a name that stands in the code."""
    files = [path for app in APPS for path in (ROOT / app).rglob("*.py")]
    assert len(files) > 100
    return {name for path in files for name in _names_in(ast.parse(path.read_text()))}


def _names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        key: ast.AST | None = None
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            if isinstance(node.ctx, ast.Load):
                key = node.slice
        elif isinstance(node, ast.Call) and node.args:
            called = ast.unparse(node.func)
            if called.rpartition(".")[2] in READERS or called == "os.environ.get":
                key = node.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def _names_of_providers() -> set[str]:
    """The variables that the table of model providers names."""
    providers = [*CHAT_COMPLETIONS.values(), *LIBRARY.values()]
    return {name for p in providers for name in (*p.keys, *p.needs, p.url_name) if name}


def _section(title: str) -> str:
    text = (ROOT / "README.md").read_text()
    return text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def _first_column(section: str) -> list[str]:
    return re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \|", section, re.MULTILINE)


def _names_in_template() -> list[str]:
    return re.findall(r"^([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_what_is_no_setting_is_read_all_the_same() -> None:
    assert _names_read() >= NOT_SETTINGS


def test_the_readme_lists_the_settings() -> None:
    listed = _first_column(_section("Settings"))
    assert sorted(listed) == sorted(_names_read() - NOT_SETTINGS)


def test_the_readme_lists_the_providers_variables() -> None:
    table = _section("Models").partition("| provider |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`([A-Z][A-Z0-9_]+)`", table)) == _names_of_providers()
    prefixes = {
        name for row in table.splitlines()[2:] for name in re.findall(r"`([a-z-]+)`", row.split("|")[1])
    }
    assert prefixes == {*CHAT_COMPLETIONS, *LIBRARY}


def test_the_template_lists_the_settings_and_providers_variables_that_exist() -> None:
    """Not all of the providers': the usual ones are enough of an example."""
    listed = _names_in_template()
    assert len(listed) == len(set(listed))
    assert set(listed) - _names_of_providers() == _names_read() - NOT_SETTINGS


def test_the_template_says_the_readmes_defaults() -> None:
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| ([^|]+) \|", _section("Settings"), re.MULTILINE)
    said = {name: default.strip("`") for name, default in rows}
    template = re.findall(r"^([A-Z][A-Z0-9_]+)=(.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(template) > 15
    for name, default in template:
        assert said[name] == default, name


def test_the_documents_links_lead_somewhere() -> None:
    documents = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    links = [
        (document, link)
        for document in documents
        for link in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", document.read_text())
    ]
    assert len(links) >= 4
    for document, link in links:
        assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_the_readmes_folders_exist() -> None:
    folders = re.findall(r"`([a-z_/]+/)`", _section("What is where"))
    assert len(folders) > 10
    for folder in folders:
        assert (ROOT / folder).is_dir(), folder
