"""What a foreign tool returned, as text: texts as they are, everything else by name."""

import json
from typing import Any

from conversations.tools.base import ToolError, ToolResult


def result_text(result: Any) -> ToolResult:
    """From a `CallToolResult`. Raises ToolError where the server wants something else first."""
    if result.result_type == "input_required":
        raise ToolError(
            "The server asks for more input in the middle of the call, which cannot be given here."
        )
    parts = [_part(content) for content in result.content]
    if not parts and result.structured_content is not None:
        parts = [json.dumps(result.structured_content, ensure_ascii=False, indent=2)]
    return ToolResult("\n".join(parts) or "(empty)", failed=bool(result.is_error))


def _part(content: Any) -> str:
    match content.type:
        case "text":
            return str(content.text)
        case "image" | "audio":
            return f"[{content.type}: {content.mime_type}, {_size(content.data)} bytes]"
        case "resource_link":
            about = f": {content.description}" if content.description else ""
            return f"[resource {content.name} at {content.uri}{about}]"
        case "resource":
            resource = content.resource
            if hasattr(resource, "text"):
                return f"[resource {resource.uri}]\n{resource.text}"
            return (
                f"[resource {resource.uri}: {resource.mime_type or 'binary'}, {_size(resource.blob)} bytes]"
            )
        case other:
            return f"[{other}]"


def _size(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4
