"""All settings, read once from the environment (the table is in README.md, a template in .env.example)."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from penguin_site import admin_settings, data_dir, logs, openapi_settings, startup_checks
from penguin_site.env import database_from_url, env_bool, env_choice, env_int, env_list, env_text

# Read when numpy is first imported, which nobody does before the settings: with more BLAS threads the small products of
# sentence embeddings cost twice the CPU time.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

BASE_DIR = Path(__file__).resolve().parent.parent

# Where this machine keeps what is not in Postgres: the embedded Postgres itself, secrets, the workspace.
PENGUIN_DATA_DIR = Path(env_text("PENGUIN_DATA_DIR", str(BASE_DIR / ".penguin"))).expanduser().absolute()
PENGUIN_HOST = env_text("PENGUIN_HOST", "127.0.0.1")
PENGUIN_PORT = env_int("PENGUIN_PORT", 9000, least=1, most=65535)

DEBUG = False
SECRET_KEY = env_text("PENGUIN_SECRET_KEY") or data_dir.secret(PENGUIN_DATA_DIR, "secret_key")

# Authentication
PENGUIN_API_KEYS = env_list("PENGUIN_API_KEYS")
PENGUIN_AUTH_ENABLED = env_bool("PENGUIN_AUTH_ENABLED", True)
PENGUIN_ALLOW_INSECURE_NO_AUTH = env_bool("PENGUIN_ALLOW_INSECURE_NO_AUTH", False)
PENGUIN_AUTH_STARTUP_TOKEN = env_text("PENGUIN_AUTH_STARTUP_TOKEN")
PENGUIN_TRUSTED_PROXIES = startup_checks.trusted_proxies(env_list("PENGUIN_TRUSTED_PROXIES"))
PENGUIN_CORS_ORIGINS = startup_checks.cors_origins(env_list("PENGUIN_CORS_ORIGINS"))
PENGUIN_PUBLIC_URL = env_text("PENGUIN_PUBLIC_URL").rstrip("/")
# Ads: tokens are signed with the first key and accepted under all.
PENGUIN_AD_SIGNING_KEYS = env_list("PENGUIN_AD_SIGNING_KEYS") or [
    data_dir.secret(PENGUIN_DATA_DIR, "ad_signing_key")
]
PENGUIN_AD_REPORTED_CONVERSIONS_COUNT = env_bool("PENGUIN_AD_REPORTED_CONVERSIONS_COUNT", False)
PENGUIN_ANON_KEY = env_text("PENGUIN_ANON_KEY")
PENGUIN_REQUIRE_ANON_KEY = startup_checks.anon_key_required(
    env_bool("PENGUIN_REQUIRE_ANON_KEY", False), anon_key=PENGUIN_ANON_KEY
)
# Up to so many ads a web process compares them in its memory; of more, pgvector finds the nearest.
PENGUIN_ADS_IN_MEMORY = env_int("PENGUIN_ADS_IN_MEMORY", 20_000)
# Where there are no ads at all, `serve` loads some 200 of advertisers that do not exist; test keys are shown them.
PENGUIN_DEMO_ADS = env_bool("PENGUIN_DEMO_ADS", True)
# What an agent must have earned before anything is paid out to its developer.
PENGUIN_AD_MINIMUM_PAYOUT_CENTS = env_int("PENGUIN_AD_MINIMUM_PAYOUT_CENTS", 2500, least=1)
PENGUIN_RATE_LIMITS = startup_checks.rate_limits(env_text("PENGUIN_RATE_LIMITS"))
startup_checks.refuse_open_server(
    PENGUIN_HOST, auth_enabled=PENGUIN_AUTH_ENABLED, allow_insecure=PENGUIN_ALLOW_INSECURE_NO_AUTH
)

# Models
PENGUIN_MODEL = env_text("PENGUIN_MODEL", "local")
# Tokens that hosted models take; 0: as the table of known models says.
PENGUIN_CONTEXT_WINDOW = env_int("PENGUIN_CONTEXT_WINDOW", 0, least=0)
PENGUIN_TOOL_CALLS = env_choice("PENGUIN_TOOL_CALLS", "auto", ("auto", "native", "xml", "off"))
PENGUIN_WEB_TOOLS = env_bool("PENGUIN_WEB_TOOLS", False)
PENGUIN_MCP_SERVERS = startup_checks.mcp_servers(env_text("PENGUIN_MCP_CONFIG"))

# Where agents work
PENGUIN_WORKSPACE = (
    Path(env_text("PENGUIN_WORKSPACE", str(PENGUIN_DATA_DIR / "workspace"))).expanduser().absolute()
)
PENGUIN_ALLOWED_ROOTS = [Path(root).expanduser() for root in env_list("PENGUIN_ALLOWED_ROOTS")]
PENGUIN_PERMISSION_MODE = env_choice(
    "PENGUIN_PERMISSION_MODE", "workspace", ("read_only", "workspace", "full")
)
PENGUIN_SANDBOX = env_choice("PENGUIN_SANDBOX", "auto", ("auto", "bubblewrap", "landlock", "off"))
# Of a command in the sandbox: the memory it may use, and the free disk below which none is started or goes on.
PENGUIN_COMMAND_MEMORY_BYTES = env_int(
    "PENGUIN_COMMAND_MEMORY_BYTES", 2 * 1024**3, least=64 * 1024**2, most=2**50
)
PENGUIN_MIN_FREE_DISK_BYTES = env_int("PENGUIN_MIN_FREE_DISK_BYTES", 512 * 1024**2, most=2**50)

# Whether messages are checked, and whether a user's message waits for it.
PENGUIN_MODERATION = env_choice("PENGUIN_MODERATION", "flag", ("off", "flag", "hold"))

# Workers
PENGUIN_WORKERS = env_int("PENGUIN_WORKERS", 1, least=1, most=64)
PENGUIN_WORKER_CONCURRENCY = env_int("PENGUIN_WORKER_CONCURRENCY", 200, least=1, most=10_000)
PENGUIN_LEASE_SECONDS = env_int("PENGUIN_LEASE_SECONDS", 30, least=1, most=3600)
PENGUIN_RUN_TIMEOUT_SECONDS = env_int("PENGUIN_RUN_TIMEOUT_SECONDS", 3600, least=1)
PENGUIN_APPROVAL_TIMEOUT_SECONDS = env_int("PENGUIN_APPROVAL_TIMEOUT_SECONDS", 86_400, least=1)
PENGUIN_DRAIN_SECONDS = env_int("PENGUIN_DRAIN_SECONDS", 20, least=1, most=600)
PENGUIN_QUEUE_CAP = env_int("PENGUIN_QUEUE_CAP", 10, least=1, most=1000)
PENGUIN_EVENT_RETENTION_DAYS = env_int("PENGUIN_EVENT_RETENTION_DAYS", 90, least=1)
PENGUIN_UPLOAD_MAX_BYTES = env_int("PENGUIN_UPLOAD_MAX_BYTES", 25 * 1024 * 1024, least=1024)

PENGUIN_LOG_FORMAT = env_choice("PENGUIN_LOG_FORMAT", "text", ("text", "json"))
PENGUIN_LOG_LEVEL = env_choice("PENGUIN_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))

REDIS_URL = env_text("REDIS_URL")
if REDIS_URL and not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must start with redis://, rediss:// or unix://.")

# Postgres: an external one by DATABASE_URL, else the embedded one that `serve` has started on the data dir.
DATABASE_URL = env_text("DATABASE_URL") or data_dir.embedded_database_url(PENGUIN_DATA_DIR)
DATABASES = {
    "default": {
        **database_from_url(DATABASE_URL or "postgresql://penguin@127.0.0.1:1/no-server-is-running"),
        "CONN_MAX_AGE": 0,
        "TEST": {"NAME": None},
    }
}
# A connection goes back to psycopg's pool at the end of each request.
DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 16, "timeout": 10}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "penguin_site",
    "unfold",  # its templates and static files come before those of the admin
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "procrastinate.contrib.django",
    "conversations",
    "tasks",
    "ads",
]
# Chores stand in `chores.py` of each app; `tasks` is an app of ours.
PROCRASTINATE_AUTODISCOVER_MODULE_NAME = "chores"
AUTH_USER_MODEL = "penguin_site.User"

MIDDLEWARE = [
    "penguin_site.middleware.request_id",
    "penguin_site.middleware.allowed_origins",
    "penguin_site.middleware.content_security_policy",
    "django.middleware.security.SecurityMiddleware",
    "penguin_site.page_middleware.StaticFiles",
    "penguin_site.page_middleware.Sessions",
    "django.middleware.common.CommonMiddleware",
    "penguin_site.page_middleware.Forms",
    "penguin_site.page_middleware.Users",
    "penguin_site.page_middleware.Messages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "penguin_site.urls"
ASGI_APPLICATION = "penguin_site.asgi.application"
WSGI_APPLICATION = "penguin_site.wsgi.application"
APPEND_SLASH = False
# Checked by our own middleware for HTTP and sockets alike, with the API's error envelope.
ALLOWED_HOSTS = startup_checks.allowed_hosts(
    env_list("PENGUIN_ALLOWED_HOSTS"), bound_to=PENGUIN_HOST, public_url=PENGUIN_PUBLIC_URL
)
# Set by our middleware when a trusted proxy says so; not a header that a client could send.
SECURE_PROXY_SSL_HEADER = ("penguin.scheme", "https")
# Nothing to other sites. With `no-referrer` browsers send `Origin: null` with our own forms, which is foreign.
SECURE_REFERRER_POLICY = "same-origin"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # straight from the packages: there is nothing to collect

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
FORMAT_MODULE_PATH = "penguin_site.formats"
USE_TZ = True

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_NAME = "penguin_session"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PENGUIN_PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_FAILURE_VIEW = "penguin_site.error_pages.csrf_failed"
DATA_UPLOAD_MAX_MEMORY_SIZE = PENGUIN_UPLOAD_MAX_BYTES + 64 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["penguin_site.authentication.PenguinAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["penguin_site.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["penguin_site.rate_limits.PrincipalThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["penguin_site.json_wire.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["penguin_site.json_wire.JSONParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "penguin_site.json_wire.AlwaysJSON",
    # `?format=` belongs to our routes (export), not to the framework.
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "penguin_site.openapi.Operation",
    "EXCEPTION_HANDLER": "penguin_site.rest_errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
UNFOLD = admin_settings.UNFOLD
SPECTACULAR_SETTINGS = openapi_settings.SPECTACULAR_SETTINGS
LOGGING = logs.configuration(level=PENGUIN_LOG_LEVEL, format=PENGUIN_LOG_FORMAT)
