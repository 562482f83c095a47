"""One file; whatever differs between machines comes from the environment."""

import hashlib
import math
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from redis import ConnectionPool

from eventstore.application.naming import checked_name
from eventstore.infrastructure.private_files import PrivateConnection
from recruitment import security
from recruitment.log_lines import FORMATS
from recruitment.personal_data_keys import wrapping_keys


class Env(environ.Env):  # type: ignore[misc]
    """Takes values as they are, so that none that begins with $ becomes its default unsaid."""

    def get_value(self, var: str, cast: Any = None, *args: Any, **kwargs: Any) -> Any:
        value = self.ENVIRON.get(var, "")
        if value.startswith("$"):
            return self.parse_value(value, cast)
        return super().get_value(var, cast, *args, **kwargs)


env = Env()
BASE_DIR = Path(__file__).resolve().parent.parent


def flag(name: str) -> bool:
    """Strictly: `env.bool` takes what it does not know for false, `READ_ONLY=enabled` as well."""
    text = env.str(name, default="false").lower()
    if text in ("true", "on", "yes", "y", "1"):
        return True
    if text in ("false", "off", "no", "n", "0", ""):
        return False
    raise ImproperlyConfigured(f"{name} is {text!r}; it is true or false.")


DEBUG = flag("DEBUG")
# The first signs, all of them are accepted.
SECRET_KEY, *SECRET_KEY_FALLBACKS = security.secret_keys(
    env.str("SECRET_KEY", default=""),
    env.list("SECRET_KEY_FALLBACKS", default=[]),
    env.str("SECRET_KEY_FILE", default=""),
    debug=DEBUG,
)
# Newest first: it encrypts, all of them decrypt. `eventstore.infrastructure.keys` wraps with them.
PERSONAL_DATA_KEYS: Sequence[bytes] = wrapping_keys(
    keys=env.str("PERSONAL_DATA_KEYS", default=""),
    file=env.str("PERSONAL_DATA_KEYS_FILE", default=""),
    command=env.str("PERSONAL_DATA_KEYS_COMMAND", default=""),
)
if DEBUG and not PERSONAL_DATA_KEYS:
    PERSONAL_DATA_KEYS = [hashlib.sha256(f"personal data {SECRET_KEY}".encode()).digest()]
if not PERSONAL_DATA_KEYS:
    raise ImproperlyConfigured(
        "PERSONAL_DATA_KEYS is not set. Make a key with `manage.py new_key FILE`, name the file in "
        "PERSONAL_DATA_KEYS_FILE, and keep a copy: without it personal data cannot be read."
    )


def allowed_host(text: str) -> str:
    """As a request can name it: Django compares with nothing else, and would refuse every call."""
    if not re.fullmatch(r"\*|\.?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]", text):
        raise ImproperlyConfigured(
            f"ALLOWED_HOSTS has {text!r}; each is a name or an address such as example.org, "
            ".example.org, 192.0.2.7 or [2001:db8::7], without scheme, port and path."
        )
    return text


ALLOWED_HOSTS: list[str] = [
    allowed_host(text.strip())
    for text in env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
]

# How a proxy in front tells that the client speaks HTTPS, and which address it called from.
SECURE_PROXY_SSL_HEADER = security.proxy_ssl_header(env.str("SECURE_PROXY_SSL_HEADER", default=""))
PROXY_COUNT = security.proxy_count(env.str("PROXY_COUNT", default="0"))
PROXY_ADDRESS_HEADER = security.proxy_address_header(
    env.str("PROXY_ADDRESS_HEADER", default="X-Forwarded-For")
)
CSRF_TRUSTED_ORIGINS = [
    security.trusted_origin(text.strip()) for text in env.list("CSRF_TRUSTED_ORIGINS", default=[])
]
SECURE_SSL_REDIRECT = flag("SECURE_SSL_REDIRECT")
# Load balancers ask these in plain HTTP, and take a redirect for a failure.
SECURE_REDIRECT_EXEMPT = ["^healthz$", "^readyz$"]
SECURE_HSTS_INCLUDE_SUBDOMAINS = flag("SECURE_HSTS_INCLUDE_SUBDOMAINS")
SECURE_HSTS_PRELOAD = flag("SECURE_HSTS_PRELOAD")
SECURE_HSTS_SECONDS = security.hsts_seconds(
    env.str("SECURE_HSTS_SECONDS", default="0"),
    promises_more=SECURE_HSTS_INCLUDE_SUBDOMAINS or SECURE_HSTS_PRELOAD,
)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = flag("SECURE_COOKIES")
# A session is renewed while it is used, but is not written in each request.
SESSION_ENGINE = "recruitment.sessions"
SESSION_IDLE = security.session_idle(env.str("SESSION_IDLE_MINUTES", default="480"))
SESSION_RENEWAL = min(300, SESSION_IDLE // 10)
SESSION_COOKIE_AGE = SESSION_IDLE + SESSION_RENEWAL
# The cookie itself has no end, so that it needs not be sent anew; the row in the database has.
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
# Where a login leads whose `next` leads nowhere, or elsewhere.
LOGIN_REDIRECT_URL = "admin:index"
LOGIN_URL = "admin:login"


def score_threshold(text: str) -> float:
    """Strictly: `env.float` drops whatever is no digit, so that 7o5 and 1e2 are 75 and 12."""
    try:
        threshold = float(text)
    except ValueError:
        threshold = math.nan
    if not 0 <= threshold <= 100:
        raise ImproperlyConfigured(f"SCORE_THRESHOLD is {text!r}; it is a number from 0 to 100.")
    return threshold


SCORE_THRESHOLD = score_threshold(env.str("SCORE_THRESHOLD", default="75"))
# Whether a command on a candidate has to say in If-Match which version it was decided on.
REQUIRE_IF_MATCH = flag("REQUIRE_IF_MATCH")

# Whether commands are refused: for backups and upgrades, and for a system that only consumes.
READ_ONLY = flag("READ_ONLY")

DELIVERIES = ("on_commit", "in_transaction", "follow", "bus")


def event_delivery(name: str) -> str:
    if name not in DELIVERIES:
        raise ImproperlyConfigured(
            f"EVENT_DELIVERY is {name!r}; it is one of {', '.join(DELIVERIES)}."
        )
    return name


# How this deployment's read models are fed.
EVENT_DELIVERY = event_delivery(env.str("EVENT_DELIVERY", default="on_commit"))


BROKERS = ("amqp", "amqps", "kafka")


def event_bus_url(url: str) -> str:
    """No broker where nothing is set. Its text is not shown: a password may stand in it."""
    if not url:
        return url
    try:
        parts = urlsplit(url)
        hosts = [urlsplit(f"//{host}") for host in parts.netloc.rpartition("@")[2].split(",")]
        found = all(host.hostname and (host.port or 1) for host in hosts)
    except ValueError:
        found = False
    else:
        if parts.scheme not in BROKERS:
            raise ImproperlyConfigured(
                f"EVENT_BUS_URL is of {parts.scheme or 'no scheme'}; it is one of RabbitMQ "
                "(amqp://user:password@host:5672/vhost, amqps://…) or Kafka (kafka://host:9092,…)."
            )
    if not found:
        raise ImproperlyConfigured(
            "EVENT_BUS_URL does not say where the broker is: it needs a host, and a port is a "
            "number up to 65535."
        )
    return url


def name_on_broker(setting: str, *, default: str) -> str:
    try:
        return checked_name(env.str(setting, default=default))
    except ValueError as error:
        raise ImproperlyConfigured(f"{setting}: {error}") from None


def event_bus_partitions(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,3}", text) or int(text) > 1024:
        raise ImproperlyConfigured(
            f"EVENT_BUS_PARTITIONS is {text!r}; it is a number from 1 to 1024."
        )
    return int(text)


def event_bus_personal_data(choice: str) -> str:
    if choice not in ("include", "omit"):
        raise ImproperlyConfigured(f"EVENT_BUS_PERSONAL_DATA is {choice!r}; it is include or omit.")
    return choice


# The broker that `manage.py publish` relays the log to, and `manage.py consume` receives it from.
EVENT_BUS_URL = event_bus_url(env.str("EVENT_BUS_URL", default=""))
# Where on the broker the log is: systems that share a broker have one each.
EVENT_BUS_TOPIC = name_on_broker("EVENT_BUS_TOPIC", default="recruitment.events")
# The consuming system that this deployment is, or is part of.
EVENT_BUS_GROUP = name_on_broker("EVENT_BUS_GROUP", default="recruitment")
# One number for all groups and for ever: it decides where a candidate's messages go.
EVENT_BUS_PARTITIONS = event_bus_partitions(env.str("EVENT_BUS_PARTITIONS", default="8"))
EVENT_BUS_PERSONAL_DATA = event_bus_personal_data(
    env.str("EVENT_BUS_PERSONAL_DATA", default="include")
)


def event_feed(url: str, token: str) -> tuple[str, str]:
    if bool(url) != bool(token):
        raise ImproperlyConfigured("EVENT_FEED_URL and EVENT_FEED_TOKEN go together.")
    if url and not re.fullmatch(r"https?://[^\s/?#]+/[^\s?#]*", url):
        raise ImproperlyConfigured(
            f"EVENT_FEED_URL is {url!r}; it is the feed's address, such as "
            "https://tracker.example.org/api/v1/events/."
        )
    return url, token


# Where a system that is fed by messages asks for those that never came.
EVENT_FEED_URL, EVENT_FEED_TOKEN = event_feed(
    env.str("EVENT_FEED_URL", default=""), env.str("EVENT_FEED_TOKEN", default="")
)

INSTALLED_APPS = [
    "recruitment.apps.RecruitmentAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "rest_framework",
    "django_filters",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "eventstore",
    "candidates",
    "recruitment",
]
MIDDLEWARE = [
    "recruitment.request_id.name_request",
    "recruitment.request_log.log_request",
    "recruitment.caching.state_caching",
    "recruitment.body_limit.limit_body",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "recruitment.sessions.renew_session",
    "recruitment.audit.name_actor",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
]
# Nothing inline and nothing from elsewhere, on every page. Swagger UI draws its icons from data:.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
ROOT_URLCONF = "recruitment.urls"
CSRF_FAILURE_VIEW = "recruitment.sign_in.csrf_failure"
WSGI_APPLICATION = "recruitment.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # Before those of the apps, since it replaces two of the admin's.
        "DIRS": [BASE_DIR / "recruitment" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "recruitment.context.read_only",
            ],
        },
    },
]


def seconds(name: str, *, default: int, least: int = 1) -> int:
    text = env.str(name, default=str(default))
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) < least:
        raise ImproperlyConfigured(
            f"{name} is {text!r}; it is a number of seconds from {least} to 99999."
        )
    return int(text)


def pool_size(text: str) -> int:
    if not re.fullmatch("[0-9]{0,4}", text):
        raise ImproperlyConfigured(
            f"DATABASE_POOL is {text!r}; it is the number of connections that a web process keeps "
            "for its threads at most."
        )
    return int(text or 0)


# For a connection to be made, and for an answer before it is asked whether the server is frozen.
# The driver takes no less than two.
DATABASE_CONNECT_TIMEOUT = seconds("DATABASE_CONNECT_TIMEOUT", default=5, least=2)
# Of a statement in a web process; 0 is no limit. Commands such as migrate and replay have none.
DATABASE_STATEMENT_TIMEOUT = seconds("DATABASE_STATEMENT_TIMEOUT", default=20, least=0)
# For a lock that somebody else holds, in web processes, follow, publish and consume.
DATABASE_LOCK_TIMEOUT = seconds("DATABASE_LOCK_TIMEOUT", default=10)
# Connections of a web process; 0 is no pool: each thread has one of its own.
DATABASE_POOL = pool_size(env.str("DATABASE_POOL", default=""))


def database(url: dict[str, Any]) -> dict[str, Any]:
    """What the event store needs from each database, on top of where it is."""
    engine = url.get("ENGINE", "no database")
    age = url.get("CONN_MAX_AGE", 60)
    if age is not None and (not isinstance(age, int) or age < 0):
        raise ImproperlyConfigured(
            f"DATABASE_URL states conn_max_age={age}; it is a number of seconds, or None for ever."
        )
    if DATABASE_POOL and ("CONN_MAX_AGE" in url or "postgresql" not in engine):
        raise ImproperlyConfigured(
            "DATABASE_POOL is for PostgreSQL, and keeps its connections by itself: leave "
            "conn_max_age out of DATABASE_URL."
        )
    # Connections are kept for a minute, if the address does not say for how long. In each request
    # the first use of one asks whether it still serves.
    url = {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True} | url
    if engine == "django.db.backends.sqlite3":
        # One writer at a time takes its lock at once and waits for its turn; a commit is on disk.
        return url | {
            "ENGINE": "recruitment.sqlite",
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                # Longer than on PostgreSQL: here every writer waits for every other.
                "timeout": seconds("DATABASE_LOCK_TIMEOUT", default=20),
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                "factory": PrivateConnection,
            },
        }
    if engine == "django.db.backends.postgresql":
        # Without a threshold Django keeps the driver from preparing any statement. The planner's
        # own price of a page is that of a turning disk: with it, lists walk past a hundred
        # thousand rows rather than look up the few that an index knows. Compiling a statement takes
        # longer than any of ours runs, and its price is a guess where statistics lag.
        options = {
            "prepare_threshold": 0,
            "options": "-c random_page_cost=1.1 -c jit=off",
            "connect_timeout": DATABASE_CONNECT_TIMEOUT,
            # A machine that is gone without a word is noticed while nothing is asked of it, too.
            "keepalives_idle": 30,
            "keepalives_interval": 10,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        }
        if not url.get("NAME") and "service" not in url.get("OPTIONS", {}):
            raise ImproperlyConfigured(
                "DATABASE_URL names no database of the server (postgres://user:password@host/name)."
            )
        return url | {
            "ENGINE": "recruitment.postgresql",
            "OPTIONS": {**options, **url.get("OPTIONS", {})},
        }
    raise ImproperlyConfigured(
        f"DATABASE_URL names {engine}; the event store runs on PostgreSQL "
        "(postgres://user:password@host:port/name) and SQLite (sqlite:///path)."
    )


def database_url(default: str) -> dict[str, Any]:
    try:
        with warnings.catch_warnings():
            # `env.db` warns about a scheme it does not know; `database` refuses such a URL.
            warnings.simplefilter("ignore")
            parsed: dict[str, Any] = env.db("DATABASE_URL", default=default)
    except ValueError:
        # Its text is not shown: a password may stand in it.
        raise ImproperlyConfigured(
            "DATABASE_URL cannot be read: it is postgres://user:password@host:port/name or "
            "sqlite:////path, with what is special in a password percent-encoded."
        ) from None
    return parsed


DATABASES = {
    "default": database(database_url(f"sqlite:///{quote(str(BASE_DIR / 'db.sqlite3'))}")),
}
# Where `manage.py eventstore_schema` keeps what every version of every event looks like.
EVENT_SCHEMAS = BASE_DIR / "recruitment" / "docs" / "events.schema.json"
# Where `manage.py eventstore_asyncapi` describes what goes over the broker.
EVENT_ASYNCAPI = BASE_DIR / "recruitment" / "docs" / "asyncapi.json"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

LANGUAGE_CODE = "en-us"


def time_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    # A wrong name may be a folder of the zone files, or a path outside of them.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ImproperlyConfigured(
            f"TIME_ZONE is {name!r}; it is a name of the IANA time zones, such as Europe/Vienna."
        ) from None


# What people are shown. Everything stored and sent is UTC.
TIME_ZONE = time_zone(env.str("TIME_ZONE", default="UTC"))
USE_TZ = True
FORMAT_MODULE_PATH = ["recruitment.formats"]

STATIC_URL = "static/"
# Served from where the apps keep them: there is no collecting step to forget.
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False


def throttle(name: str, *, default: str = "") -> tuple[int, int] | None:
    """`100/min` as calls and seconds. None, where nothing is set, is no limit."""
    text: str = env.str(name, default=default)
    if not text:
        return None
    if not (rate := re.fullmatch("([1-9][0-9]{0,8})/(s|min|h|d)", text)):
        raise ImproperlyConfigured(
            f"{name} is {text!r}; it is a number of calls per s, min, h or d, such as 100/min."
        )
    return int(rate[1]), {"s": 1, "min": 60, "h": 3600, "d": 86400}[rate[2]]


# Of one user, by the scope of the call: see `recruitment.throttling`.
API_THROTTLES = {
    scope: throttle(f"API_THROTTLE_{scope.upper()}") for scope in ("read", "command", "feed")
}
# Failed sign-ins, by what they have in common: see `recruitment.sign_in_limits`.
SIGN_IN_THROTTLES = {
    of: throttle(f"SIGN_IN_THROTTLE_{of.upper()}", default=default)
    for of, default in {"address": "100/h", "name": "100/h", "name_at_address": "10/h"}.items()
}


def cache(url: str) -> dict[str, Any]:
    """Where calls are counted: in each process for itself, or in a Redis that all of them share."""
    if not url:
        return {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            # What is beyond is forgotten, and a user's count with it.
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    try:
        # Nothing is connected yet; an option that there is not is refused here.
        ConnectionPool.from_url(url).make_connection()
    except (ValueError, TypeError) as error:
        # Not shown: a password may stand in it.
        raise ImproperlyConfigured(
            f"CACHE_URL names no Redis (redis://host:6379/0): {str(error).rstrip('.')}."
        ) from None
    return {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "recruitment",
        # Nobody waits longer for being counted.
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }


CACHES = {"default": cache(env.str("CACHE_URL", default=""))}

REST_FRAMEWORK = {
    # Token first: its challenge is what makes a missing login a 401 and not a 403.
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "recruitment.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "recruitment.access.HasScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["recruitment.throttling.ScopeThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "recruitment.negotiation.AcceptNegotiation",
    "DEFAULT_PARSER_CLASSES": ["eventstore.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "recruitment.schema.ProblemAutoSchema",
    "DEFAULT_FILTER_BACKENDS": [],
    "URL_FORMAT_OVERRIDE": None,
    # Errors of a body as a whole stand at its root, which is the empty JSON Pointer.
    "NON_FIELD_ERRORS_KEY": "",
    # The schema's view would put any ?version= into a header.
    "ALLOWED_VERSIONS": ["1"],
    "EXCEPTION_HANDLER": "recruitment.errors.problem_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
# The table beside knox's points to its token by this name.
KNOX_TOKEN_MODEL = "knox.AuthToken"  # noqa: S105
REST_KNOX = {"TOKEN_TTL": None, "AUTH_HEADER_PREFIX": "Bearer"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Recruitment API",
    "DESCRIPTION": "Candidates, the decisions about them, and everything that ever happened.",
    "VERSION": "1",
    "LICENSE": {"name": "MIT", "identifier": "MIT"},
    "SERVERS": [{"url": "/", "description": "The server that this document comes from."}],
    "TAGS": [
        {"name": "Candidates", "description": "Who there is, as of now or of then."},
        {
            "name": "Commands",
            "description": "What changes a candidate: each adds an event, or is refused.",
        },
        {"name": "Statistics", "description": "How many there are, and would be."},
        {"name": "Events", "description": "The log, for systems that keep their own picture."},
    ],
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "RejectionReason": "candidates.domain.events.RejectionReason",
        "Status": "candidates.domain.events.Status",
    },
    # The words of the API need no labels.
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "recruitment.schema.share",
    ],
}


def log_format(name: str) -> str:
    if name not in FORMATS:
        raise ImproperlyConfigured(f"LOG_FORMAT is {name!r}; it is one of {', '.join(FORMATS)}.")
    return name


LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "recruitment.request_id.RequestIdFilter"}},
    "formatters": {
        "text": {
            "()": "recruitment.log_lines.TextFormatter",
            "fmt": "{asctime} {levelname} {name} [{request_id}] {message}",
            "style": "{",
        },
        "json": {"()": "recruitment.log_lines.json_formatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["request_id"],
            "formatter": log_format(env.str("LOG_FORMAT", default="text")),
        }
    },
    "loggers": {
        # What a broker's clients have to say of a lost connection is said by who tries again.
        "pika": {"level": "CRITICAL"},
        # These bring handlers of their own, which write addresses whole.
        "django": {"handlers": [], "level": "INFO"},
        "gunicorn.access": {"handlers": [], "propagate": True},
        "gunicorn.error": {"handlers": [], "propagate": True},
        # The line that it has for each request is the second one.
        "django.server": {"handlers": [], "level": "ERROR", "propagate": True},
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
}
