"""`.env.example` lists what is read from the environment, and nothing else."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
READ = re.compile(r'env_(?:text|bool|int|float|list|choice)\(\s*"([A-Z_]+)"')
# Read by the model libraries and by OpenTelemetry, not by our settings.
OF_LIBRARIES = re.compile(r"(OPENAI|ANTHROPIC|GOOGLE|OPENROUTER|OLLAMA|OTEL)_")


def test_every_setting_stands_in_the_example():
    read = {
        name
        for app in ("penguin_site", "conversations", "tasks", "ads")
        for module in (ROOT / app).rglob("*.py")
        for name in READ.findall(module.read_text())
    }
    listed = set(re.findall(r"^([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert "PENGUIN_PORT" in read
    assert {name for name in listed if not OF_LIBRARIES.match(name)} == read
