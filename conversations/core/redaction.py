"""Takes secrets out of text that leaves the system: keys, tokens, passwords in addresses, private keys."""

import re
from typing import Any

REDACTED = "[redacted]"

# Each pattern has a group `secret`, or is a secret as a whole. Prefixes are those the issuers publish. What may fail at
# its end has a longest length, or a text made for it would be searched in square time.
_SECRETS = [
    re.compile(
        r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
        re.S,
    ),
    re.compile(r"\b(?:sk|rk|pk)[-_](?:live|test|proj|ant|or|svcacct)?[-_]?[A-Za-z0-9_-]{16,}"),
    re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"),
    re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\bAIza[0-9A-Za-z_-]{30,}"),
    re.compile(
        r"\b(?:hf|npm|dop_v1)_[A-Za-z0-9]{20,}|\bpypi-[A-Za-z0-9_-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"
    ),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,600}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),  # JSON Web Token
    re.compile(r"\b(?:bearer|basic)\s+(?P<secret>[A-Za-z0-9._~+/-]{12,}=*)", re.I),
    re.compile(r"\b[a-z][a-z0-9+.-]{0,30}://[^\s/:@]{0,200}:(?P<secret>[^\s/@]{1,500})@", re.I),
    re.compile(
        r"(?:api[-_]?key|secret(?:[-_](?:access[-_])?key)?|access[-_]?token|auth[-_]?token|password|passwd|client[-_]secret"
        r"|private[-_]?key)[\"']?\s*[:=]\s*[\"']?(?P<secret>[^\s\"',;]{8,})",
        re.I,
    ),
]


def _replace(match: re.Match[str]) -> str:
    if "secret" not in match.re.groupindex:
        return REDACTED
    start, end = match.span("secret")
    whole = match[0]
    return whole[: start - match.start()] + REDACTED + whole[end - match.start() :]


def redact(text: str) -> str:
    """The text with every recognised secret replaced by `[redacted]`."""
    for pattern in _SECRETS:
        text = pattern.sub(_replace, text)
    return text


def redact_values(value: Any) -> Any:
    """The same for each text inside a JSON value; a value is also judged together with the key it stands under."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_values(item) for item in value]
    if isinstance(value, dict):
        return {key: _redact_member(key, item) for key, item in value.items()}
    return value


def _redact_member(key: str, value: Any) -> Any:
    if isinstance(value, str) and redact(f"{key}={value}") != f"{key}={redact(value)}":
        return REDACTED
    return redact_values(value)
