"""Where an ad may lead: public https addresses, judged by how they are written; nothing is looked up."""

import ipaddress
import re
from urllib.parse import urlsplit

MAX_LENGTH = 2_048
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_NOT_PUBLIC = {
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "private",
    "arpa",
    "onion",
    "invalid",
}


def problem_with(url: str) -> str | None:
    """What is wrong with a landing page's address, as the end of a sentence; None if nothing is."""
    if len(url) > MAX_LENGTH:
        return f"must have at most {MAX_LENGTH} characters"
    if not url.isascii() or re.search(r"[\x00-\x20\x7f\\<>\"^`{|}]", url):
        return "must be written with visible ASCII characters, everything else percent-encoded"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "must be a valid address"
    if parts.scheme != "https":
        return "must start with https://"
    if parts.username is not None or parts.password is not None:
        return "must not contain a user name"
    if port not in (None, 443):
        return "must not name a port"
    return _problem_with_host((parts.hostname or "").removesuffix("."))


def _problem_with_host(host: str) -> str | None:
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return "must have a valid host name"
    # Browsers read 127.1, 0x7f000001 and 2130706433 as addresses too: a host name ends with a word.
    if labels[-1].isdigit() or labels[-1].startswith("0x") or _is_address(host):
        return "must have a host name, not an address"
    if len(labels) < 2 or labels[-1] in _NOT_PUBLIC:
        return "must lead to a public host"
    return None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
