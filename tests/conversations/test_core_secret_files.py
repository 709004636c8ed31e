"""Names of secrets, and of git's files that must not be written."""

import pytest

from conversations.core.secret_files import is_secret, is_write_protected

SECRET = """
.env .env.local .env.production .envrc .ENV .Env.Local prod.env config/.env .env/bin/activate .env~ .env.bak ./.env
server.pem SERVER.PEM certs/ca.pem tls.key tls.key.bak tls.key~ tls.key.old.1 private.p12 a.pfx b.jks c.keystore d.kdbx
putty.ppk id_rsa id_rsa.pub id_rsa.bak id_rsa_work id_ed25519 ID_ED25519 id_ecdsa_sk id_dsa id_github keys/id_gitlab.pub
.ssh/known_hosts .ssh .SSH/config a/b/.ssh/x .aws/credentials .AWS/config .azure/x .gnupg/secring.gpg .kube/config
.docker/config.json .netrc _netrc .npmrc web/.npmrc .pypirc .pgpass .my.cnf .git-credentials .htpasswd kubeconfig
prod.kubeconfig .cargo/credentials credentials.json Credentials.JSON credentials-prod.json client_secret_42.json
service-account-x.json secrets.yml secrets.toml .config/gcloud/x .config/gh/hosts.yml .cargo/credentials.toml
.local/share/keyrings/login.keyring .vault-token terraform.tfvars .s3cfg .rclone.conf .env.swp x/../.env
"""

ORDINARY = """
README.md env.py environment.yml src/env/main.py id.py id_map.py lib/id_generator.ts ids pem.py key.py keys.py monkey
keyboard.key.ts docs/keys.md ssh/config aws/main.py credentials.py secrets.py .config/app.toml .gitignore .github/x.yml
.cargo/config.toml package.json .editorconfig lib/id_map/a.ts src/credentials/a.ts .docker/Dockerfile .. .
ssh_config.md test_env.py valid_rsa.py
"""


@pytest.mark.parametrize("path", SECRET.split())
def test_secrets(path):
    assert is_secret(path)


@pytest.mark.parametrize("path", ORDINARY.split())
def test_ordinary_files(path):
    assert not is_secret(path)


@pytest.mark.parametrize(
    "path",
    [
        "．ｅｎｖ",  # compatibility forms
        ".e\u200dnv",  # a character that is not seen
        ".env\u202e",
        ".env.",
        ".env ",
        "\u00ad.env",
        "ID_RSA\u200b",
        "ſerver.KEY",
    ],
    ids=ascii,
)
def test_the_same_name_in_disguise(path):
    assert is_secret(path)


@pytest.mark.parametrize(
    ("path", "is_protected"),
    [
        (".git/config", True),
        (".GIT/Config", True),
        (".git/hooks/pre-commit", True),
        ("sub/.git/hooks/post-checkout", True),
        (".git", True),  # the file of a worktree
        (".git/worktrees/x/commondir", True),
        (".git/modules/x/config", True),
        (".g\u200cit/config", True),
        (".git./config", True),
        ("./x/../.git/config", True),
        (".gitignore", False),
        (".github/workflows/ci.yml", False),
        (".gitattributes", False),
        ("git/config", False),
        ("hooks/pre-commit", False),
    ],
    ids=ascii,
)
def test_what_leads_git_to_run_code_is_not_written(path, is_protected):
    assert is_write_protected(path) is is_protected
