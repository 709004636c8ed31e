"""What exactly an approval is for, as one number: with another argument, file, tool or sandbox it is another one."""

import hashlib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from conversations.core import touched as touches
from conversations.core.touched import Touched


def canonical(value: Any) -> str:
    """JSON that is the same text for the same value, also after Postgres had it (which has one kind of number)."""
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        # jsonb gives 1e300 back as a whole number of 301 digits.
        exact = Decimal(repr(value))
        return int(exact) if exact == exact.to_integral_value() else value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def hash_of(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest(
    *,
    tool: str,
    definition_hash: str,
    arguments: Mapping[str, Any],
    touched: Touched,
    root: str,
    sandbox: str,
    run_id: str,
    call_id: str,
) -> str:
    """SHA-256 in hex. The working directory stands in `touched`, beneath `root`."""
    return hash_of(
        {
            "tool": tool,
            "definition": definition_hash,
            "arguments": arguments,
            "touched": touches.as_json(touched),
            "root": root,
            "sandbox": sandbox,
            "run": run_id,
            "call": call_id,
        }
    )
