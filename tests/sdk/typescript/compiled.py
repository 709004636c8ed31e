"""What a user of the package writes, compiled by tsc as they would compile it: strict, against the packed package."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.sdk.typescript.package_build import PACKAGE, pack, run

SAMPLES = Path(__file__).parent / "samples"
_TSC = PACKAGE / "node_modules/typescript/bin/tsc"
_OPENAPI = PACKAGE / "node_modules/openapi-typescript/bin/cli.js"
_CONFIG = {
    "compilerOptions": {
        "target": "ES2022", "module": "NodeNext", "lib": ["ES2022"], "types": ["node"], "strict": True,
        "outDir": "out", "rootDir": ".", "noEmitOnError": True,
    },
    "include": ["*.ts"],
}  # fmt: skip
_IMPORT = "import { PenguinClient } from 'penguin-sdk';\n"
_CLIENT = """import { PenguinClient as Client, type AdUnit } from 'penguin-sdk';
const client = new Client({
  apiKey: process.env.PENGUIN_ADS_KEY!,
  chatApiKey: process.env.PENGUIN_API_KEY!,
});
const ad: AdUnit = JSON.parse(process.env.AD ?? 'null');
const userMessage: string = process.env.USER_MESSAGE ?? 'I need a tax accountant';
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with the package installed in it."""

    folder: Path

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def compile(self) -> None:
        """Raises with what tsc says of all files together."""
        run("node", str(_TSC), "-p", ".", cwd=self.folder)

    def run(self, name: str, **environment: str) -> str:
        """What a compiled sample writes to either stream; it has to succeed."""
        return run("sh", "-c", f"exec node out/{name}.js 2>&1", cwd=self.folder, **environment)


def new_project(folder: Path) -> Project:
    pack(folder)
    types = folder / "node_modules/@types"
    types.mkdir()
    os.symlink(PACKAGE / "node_modules/@types/node", types / "node")
    os.symlink(PACKAGE / "node_modules/undici-types", folder / "node_modules/undici-types")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "tsconfig.json").write_text(json.dumps(_CONFIG))
    return Project(folder)


def add_document(project: Project, name: str, document: dict[str, Any]) -> None:
    """The types that an OpenAPI document describes, as module `name`."""
    source = project.folder / f"{name}.json"
    source.write_text(json.dumps(document))
    target = str(project.folder / f"{name}.ts")
    run("node", str(_OPENAPI), str(source), "-o", target, "--default-non-nullable=false", cwd=project.folder)


def with_surroundings(sample: str) -> str:
    """The sample as it is printed, in a module that has what it speaks of: a client, an ad, a message."""
    own_client = re.search(r"const client = new PenguinClient|PenguinClient\.signup", sample)
    is_whole = re.search(r"^import .*PenguinClient", sample, re.MULTILINE)
    before = "" if own_client else _CLIENT
    if own_client and not is_whole:
        before += _IMPORT
    return f"{before}{sample}\nexport {{}};\n"


def readme_samples() -> dict[str, str]:
    """The TypeScript of the package's README, by the heading it stands under."""
    found: dict[str, str] = {}
    heading = ""
    for title, block in re.findall(r"^#+ ([^\n]+)$|^```ts\n(.*?)^```$", _readme(), re.MULTILINE | re.DOTALL):
        heading = title or heading
        if block:
            name = re.sub(r"\W+", "_", heading.lower()).strip("_")
            assert name not in found, f"Two samples under {heading!r}."
            found[name] = block
    return found


def _readme() -> str:
    return (PACKAGE / "README.md").read_text()
