"""Which files are text: by name, by stated type, by content."""

_SOURCES = """
.py .ts .tsx .rs .go .java .kt .swift .c .h .cc .cpp .hpp .cs .rb .php .pl .lua .r .scala
.sh .bash .zsh .ps1 .ini .cfg .conf .diff .patch .tex
"""
TEXT_TYPES = {
    "": "text/plain",  # README, Makefile
    ".txt": "text/plain",
    ".log": "text/plain",
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".rst": "text/x-rst",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".xml": "application/xml",
    ".html": "text/html",
    ".css": "text/css",
    ".sql": "application/sql",
    **dict.fromkeys((".js", ".mjs", ".jsx"), "text/javascript"),
    **dict.fromkeys(_SOURCES.split(), "text/plain"),
}
# Not `text/*`, and yet what browsers and curl state for some of the files above.
_ALSO_TEXT = set(TEXT_TYPES.values()) | {
    "application/javascript",
    "application/x-javascript",
    "application/x-yaml",
    "application/x-sh",
    "application/x-python-code",
    "application/x-httpd-php",
    "application/typescript",
}


def is_text_type(media_type: str) -> bool:
    return media_type.startswith("text/") or media_type in _ALSO_TEXT


def decoded_text(data: bytes) -> str | None:
    """The text of a UTF-8 file (a byte order mark is dropped); None for anything else."""
    if b"\x00" in data:
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
