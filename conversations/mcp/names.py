"""The names under which models know foreign tools: `mcp__server__tool`, in what all providers accept."""

import hashlib
import re

LONGEST = 64
_UNUSABLE = re.compile(r"[^a-zA-Z0-9_-]")


def tool_name(server: str, tool: str) -> str:
    """The same for the same two names, and another one for any others, whichever servers there are.

    Where the names cannot be told apart in it, or have to be changed or cut, it ends with a digest of both.
    """
    # Without these, the first `__` behind the prefix ends the server's name.
    is_plain = "__" not in server and not server.startswith("_") and not server.endswith("_")
    name = "mcp__" + "__".join(_UNUSABLE.sub("_", part) for part in (server, tool))
    if is_plain and name == f"mcp__{server}__{tool}" and len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(f"{server}\0{tool}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{name[: LONGEST - 9]}_{digest}"
