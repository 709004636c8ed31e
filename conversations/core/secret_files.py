"""Which files hold secrets, and which of git's files would run code: by their names, which is all a path can tell.

Names are compared as the most forgiving file system would: without regard to case, to compatibility forms of letters,
to characters that are not seen, and to the endings that copies and editors add.
"""

import re
import unicodedata
from fnmatch import translate
from functools import lru_cache

# A file or folder with such a name is secret, and so is everything beneath it.
_NAMES = """
.ssh .aws .azure .gnupg .kube .password-store .gcloud .oci .secrets
.netrc _netrc .npmrc .pypirc .pgpass .my.cnf .mylogin.cnf .git-credentials .htpasswd .dockercfg .dockerconfigjson
.s3cfg .boto .vault-token .terraformrc .rclone.conf .gem-credentials .databrickscfg .snowsql .msmtprc .fetchmailrc
kubeconfig credentials.json credentials.toml credentials.yml credentials.yaml credentials.csv
application_default_credentials.json secrets.json secrets.yml secrets.yaml secrets.toml secrets.env
service-account.json service_account.json serviceaccount.json wallet.dat
"""
_SECRET_NAMES = frozenset(_NAMES.split())
_PATTERNS = (
    ".env*",
    "*.env",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.ppk",
    "*.kubeconfig",
    "*.tfvars",
    "client_secret*.json",
    "service-account*.json",
    "service_account*.json",
    "credentials*.json",
)
_PATTERN = re.compile("|".join(map(translate, _PATTERNS)))
# Inside of folders that hold more than secrets.
_PLACES = (
    (".config", "gcloud"),
    (".config", "gh"),
    (".config", "rclone"),
    (".config", "op"),
    (".docker", "config.json"),
    (".cargo", "credentials"),
    (".cargo", "credentials.toml"),
    (".local", "share", "keyrings"),
)
_SSH_KEY = re.compile(r"id_(?:rsa|dsa|ecdsa|ed25519|xmss)(?:[-_.].*)?", re.S)
# People name further keys so; of a file only, for folders (id_map/) and names with an extension (id_map.py) are code.
_FURTHER_SSH_KEY = re.compile(r"id_[^.]+(?:\.pub)?")
_COPY = re.compile(
    r"(?:~|[._-](?:bak|backup|old|orig|save|saved|copy|tmp|swp|swo|dist-upgrade|rej|\d{1,8}))$"
)


def is_secret(path: str) -> bool:
    """Whether a file (or what lies beneath it) must not be read or written by file tools. `path` has `/` in it."""
    names = _plain_names(path)
    if any(_is_secret_name(name) for name in names):
        return True
    if names and _FURTHER_SSH_KEY.fullmatch(names[-1]):
        return True
    return any(
        names[start : start + len(place)] == list(place) for place in _PLACES for start in range(len(names))
    )


def is_write_protected(path: str) -> bool:
    """Whether writing there could make git run code: its configuration and hooks, and all that leads git to others.

    That is everything in `.git`, for `commondir`, `gitdir` and the like name the folder whose configuration counts, and
    `.git` itself, which a worktree has as a file. Reading is another matter.
    """
    return ".git" in _plain_names(path)


def _plain_names(path: str) -> list[str]:
    return [name for name in (_plain(part) for part in path.split("/")) if name not in ("", ".", "..")]


def _plain(name: str) -> str:
    if name.isascii():
        plain = name.lower()
    else:
        folded = unicodedata.normalize("NFKC", name).casefold()
        plain = "".join(c for c in folded if unicodedata.category(c) not in ("Cf", "Cc"))
    # `.env.` and `.env ` are `.env` for some file systems; `..` stays what it is.
    return plain if plain.strip(". ") == "" else plain.rstrip(". ").lstrip()


@lru_cache(4096)  # the same folders come again and again in a search
def _is_secret_name(name: str) -> bool:
    while True:
        if name in _SECRET_NAMES or _SSH_KEY.fullmatch(name) or _PATTERN.match(name):
            return True
        # The next round judges `.server.key.swp` as `server.key`, and `id_rsa.bak~` as `id_rsa`.
        shorter = _COPY.sub("", name)
        if shorter == name:
            return False
        name = shorter
