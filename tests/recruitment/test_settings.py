"""What the environment may say, and what is said about what it may not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).parent.parent.parent
SECRET = "One-Secret_for.tests" * 3 + "!"
KEY = "b25seSBmb3IgdGVzdHMgb25seSBmb3IgdGVzdHMgMTI="
NEEDED = {"SECRET_KEY": SECRET, "PERSONAL_DATA_KEYS": KEY}


def start(name: str = "SCORE_THRESHOLD", **environment: str) -> "subprocess.CompletedProcess[str]":
    """Prints a setting, in a process with these in its environment and no others of ours."""
    ours = {
        "SECRET_KEY",
        "PERSONAL_DATA_KEYS",
        "DEBUG",
        "DATABASE_URL",
        "ALLOWED_HOSTS",
        "SCORE_THRESHOLD",
        "TIME_ZONE",
        "CACHE_URL",
        "API_THROTTLE_READ",
        "API_THROTTLE_COMMAND",
        "API_THROTTLE_FEED",
        "EVENT_DELIVERY",
        "READ_ONLY",
        "EVENT_FEED_URL",
        "EVENT_FEED_TOKEN",
        "REQUIRE_IF_MATCH",
        "EVENT_BUS_URL",
        "EVENT_BUS_TOPIC",
        "EVENT_BUS_GROUP",
        "EVENT_BUS_PARTITIONS",
        "EVENT_BUS_PERSONAL_DATA",
        "SECRET_KEY_FALLBACKS",
        "SECRET_KEY_FILE",
        "SECURE_PROXY_SSL_HEADER",
        "PROXY_COUNT",
        "PROXY_ADDRESS_HEADER",
        "CSRF_TRUSTED_ORIGINS",
        "SECURE_SSL_REDIRECT",
        "SECURE_COOKIES",
        "SECURE_HSTS_SECONDS",
        "SECURE_HSTS_INCLUDE_SUBDOMAINS",
        "SECURE_HSTS_PRELOAD",
        "SESSION_IDLE_MINUTES",
        "SIGN_IN_THROTTLE_ADDRESS",
        "SIGN_IN_THROTTLE_NAME",
        "SIGN_IN_THROTTLE_NAME_AT_ADDRESS",
        "DATABASE_CONNECT_TIMEOUT",
        "DATABASE_STATEMENT_TIMEOUT",
        "DATABASE_LOCK_TIMEOUT",
        "DATABASE_POOL",
    }
    kept = {key: value for key, value in os.environ.items() if key not in ours}
    code = f"from django.conf import settings; print(settings.{name})"
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**kept, "DJANGO_SETTINGS_MODULE": "recruitment.settings", **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_secret_and_a_key_are_all_that_must_be_set() -> None:
    assert start(**NEEDED).stdout == "75.0\n"
    assert start(**NEEDED, SCORE_THRESHOLD="82.5").stdout == "82.5\n"
    assert start(DEBUG="true").stdout == "75.0\n"


def test_calls_are_limited_by_scope_where_a_limit_is_set() -> None:
    given = {"API_THROTTLE_READ": "100/min", "API_THROTTLE_COMMAND": "5/s", "API_THROTTLE_FEED": ""}
    limits = {"read": (100, 60), "command": (5, 1), "feed": None}
    assert start("API_THROTTLES", **NEEDED, **given).stdout == f"{limits}\n"
    assert start("API_THROTTLES", **NEEDED).stdout == f"{dict.fromkeys(limits)}\n"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("true", True), ("On", True), ("1", True), ("False", False), ("0", False), ("", False)],
)
def test_a_switch_is_on_or_off(text: str, meant: bool) -> None:
    assert start("READ_ONLY", **NEEDED, READ_ONLY=text).stdout == f"{meant}\n"


def test_a_broker_may_be_named_in_every_form_that_its_client_takes() -> None:
    assert start("EVENT_BUS_URL", **NEEDED).stdout == "\n"
    for url in (
        "amqp://user:p%40ss@host:5672/vhost?heartbeat=30",
        "amqps://host",
        "kafka://one:9092,two:9092,[::1]:9092?security.protocol=SSL",
        "kafka://user:secret@host",
    ):
        assert start("EVENT_BUS_URL", **NEEDED, EVENT_BUS_URL=url).stdout == f"{url}\n"


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set"),
        ({"SECRET_KEY": "s3cret"}, "SECRET_KEY has 6 characters; each key has at least 50 random"),
        ({"SECRET_KEY": SECRET[:49]}, "SECRET_KEY has 49 characters"),
        ({"SECRET_KEY": "s3cret" * 9}, "SECRET_KEY repeats itself"),
        ({"SECRET_KEY": "0123456789s3cret" * 4}, "SECRET_KEY repeats itself"),
        ({"SECRET_KEY": f"django-insecure-{SECRET}"}, "SECRET_KEY begins with django-insecure-"),
        ({"SECRET_KEY_FALLBACKS": "s3cret"}, "SECRET_KEY_FALLBACKS has 6 characters"),
        ({"SECRET_KEY_FILE": "/x"}, "SECRET_KEY_FILE holds every key"),
        ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/nowhere"}, "SECRET_KEY_FILE '/nowhere' cannot be"),
        ({"SECRET_KEY": "", "SECRET_KEY_FILE": "/"}, "SECRET_KEY_FILE '/' cannot be read: Is a di"),
        (
            {"SECRET_KEY": "", "SECRET_KEY_FILE": "/dev/null"},
            "SECRET_KEY_FILE '/dev/null' holds",
        ),
        ({"SECURE_PROXY_SSL_HEADER": "X-Forwarded-Proto"}, "SECURE_PROXY_SSL_HEADER is 'X-Forward"),
        ({"SECURE_PROXY_SSL_HEADER": "HTTP_X: https"}, "SECURE_PROXY_SSL_HEADER is 'HTTP_X: http"),
        ({"PROXY_COUNT": "one"}, "PROXY_COUNT is 'one'; it is how many proxies"),
        ({"PROXY_COUNT": "-1"}, "PROXY_COUNT is '-1'"),
        ({"PROXY_COUNT": ""}, "PROXY_COUNT is ''"),
        ({"PROXY_ADDRESS_HEADER": "HTTP_X"}, "PROXY_ADDRESS_HEADER is 'HTTP_X'; it is the header"),
        ({"CSRF_TRUSTED_ORIGINS": "example.org"}, "CSRF_TRUSTED_ORIGINS has 'example.org'; each"),
        ({"CSRF_TRUSTED_ORIGINS": "https://a.org/"}, "CSRF_TRUSTED_ORIGINS has 'https://a.org/'"),
        ({"CSRF_TRUSTED_ORIGINS": "https://*"}, "CSRF_TRUSTED_ORIGINS has 'https://*'"),
        ({"SECURE_SSL_REDIRECT": "301"}, "SECURE_SSL_REDIRECT is '301'; it is true or false"),
        ({"SECURE_COOKIES": "always"}, "SECURE_COOKIES is 'always'; it is true or false"),
        ({"SECURE_HSTS_SECONDS": "1y"}, "SECURE_HSTS_SECONDS is '1y'; it is a number of seconds"),
        ({"SECURE_HSTS_PRELOAD": "true"}, "SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE_HSTS_PRELOA"),
        ({"SECURE_HSTS_INCLUDE_SUBDOMAINS": "true"}, "SECURE_HSTS_INCLUDE_SUBDOMAINS and SECURE"),
        ({"SESSION_IDLE_MINUTES": "0"}, "SESSION_IDLE_MINUTES is '0'; it is a number of minutes"),
        ({"SESSION_IDLE_MINUTES": "8h"}, "SESSION_IDLE_MINUTES is '8h'"),
        ({"SIGN_IN_THROTTLE_ADDRESS": "5"}, "SIGN_IN_THROTTLE_ADDRESS is '5'; it is a number of"),
        ({"SIGN_IN_THROTTLE_NAME_AT_ADDRESS": "0/h"}, "SIGN_IN_THROTTLE_NAME_AT_ADDRESS is '0/h'"),
        ({"PERSONAL_DATA_KEYS": ""}, "PERSONAL_DATA_KEYS is not set"),
        ({"PERSONAL_DATA_KEYS": "c2hvcnQ="}, "Each of PERSONAL_DATA_KEYS is 32 bytes"),
        ({"PERSONAL_DATA_KEYS": f"{KEY},no base64"}, "Each of PERSONAL_DATA_KEYS is 32 bytes"),
        ({"EVENT_DELIVERY": "later"}, "EVENT_DELIVERY is 'later'; it is one of on_commit, in_tran"),
        ({"EVENT_DELIVERY": ""}, "EVENT_DELIVERY is ''"),
        ({"READ_ONLY": "enabled"}, "READ_ONLY is 'enabled'; it is true or false"),
        ({"REQUIRE_IF_MATCH": "2"}, "REQUIRE_IF_MATCH is '2'; it is true or false"),
        ({"DEBUG": "tru"}, "DEBUG is 'tru'; it is true or false"),
        ({"SCORE_THRESHOLD": "high"}, "SCORE_THRESHOLD is 'high'"),
        ({"SCORE_THRESHOLD": "7o5"}, "SCORE_THRESHOLD is '7o5'"),
        ({"SCORE_THRESHOLD": "75,0"}, "SCORE_THRESHOLD is '75,0'"),
        ({"SCORE_THRESHOLD": ""}, "SCORE_THRESHOLD is ''"),
        ({"SCORE_THRESHOLD": "nan"}, "SCORE_THRESHOLD is 'nan'"),
        ({"SCORE_THRESHOLD": "100.5"}, "SCORE_THRESHOLD is '100.5'"),
        ({"SCORE_THRESHOLD": "-1"}, "SCORE_THRESHOLD is '-1'"),
        ({"SCORE_THRESHOLD": "$nothing"}, "SCORE_THRESHOLD is '$nothing'"),
        ({"DEBUG": "$perhaps"}, "DEBUG is '$perhaps'; it is true or false"),
        ({"TIME_ZONE": "Mars/Olympus"}, "TIME_ZONE is 'Mars/Olympus'; it is a name of the IANA"),
        ({"TIME_ZONE": ""}, "TIME_ZONE is ''"),
        ({"TIME_ZONE": "Europe"}, "TIME_ZONE is 'Europe'"),
        ({"TIME_ZONE": "../../etc/passwd"}, "TIME_ZONE is '../../etc/passwd'"),
        ({"TIME_ZONE": "/etc/localtime"}, "TIME_ZONE is '/etc/localtime'"),
        ({"ALLOWED_HOSTS": "example.org,https://b.org"}, "ALLOWED_HOSTS has 'https://b.org'; each"),
        ({"ALLOWED_HOSTS": "example.org:8000"}, "ALLOWED_HOSTS has 'example.org:8000'"),
        ({"ALLOWED_HOSTS": "example.org/"}, "ALLOWED_HOSTS has 'example.org/'"),
        ({"ALLOWED_HOSTS": "*.example.org"}, "ALLOWED_HOSTS has '*.example.org'"),
        ({"ALLOWED_HOSTS": "one.org two.org"}, "ALLOWED_HOSTS has 'one.org two.org'"),
        ({"DATABASE_URL": "postgres://u:s3cret@host:port/name"}, "DATABASE_URL cannot be read"),
        ({"DATABASE_URL": "postgres://u:s3cret@[::1/name"}, "DATABASE_URL cannot be read"),
        (
            {"DATABASE_URL": "postgres://u:s3cret@host"},
            "DATABASE_URL names no database of",
        ),
        ({"DATABASE_URL": "$nothing"}, "DATABASE_URL names no database"),
        ({"DATABASE_URL": "mysql://host/name"}, "DATABASE_URL names django.db.backends.mysql"),
        ({"DATABASE_URL": "name"}, "DATABASE_URL names no database"),
        ({"DATABASE_URL": ""}, "DATABASE_URL names no database"),
        (
            {"DATABASE_URL": "postgres://u:s3cret@host/name?conn_max_age=long"},
            "DATABASE_URL states conn_max_age=long; it is a number of seconds",
        ),
        ({"DATABASE_URL": "sqlite:////db?conn_max_age=-1"}, "DATABASE_URL states conn_max_age=-1"),
        (
            {"DATABASE_URL": "postgres://host/name?conn_max_age=9", "DATABASE_POOL": "4"},
            "DATABASE_POOL is for PostgreSQL, and keeps its connections by itself",
        ),
        ({"DATABASE_URL": "sqlite:////db", "DATABASE_POOL": "4"}, "DATABASE_POOL is for Postgr"),
        ({"DATABASE_POOL": "many"}, "DATABASE_POOL is 'many'; it is the number of connections"),
        ({"DATABASE_CONNECT_TIMEOUT": "1"}, "DATABASE_CONNECT_TIMEOUT is '1'; it is a number of"),
        ({"DATABASE_LOCK_TIMEOUT": "0"}, "DATABASE_LOCK_TIMEOUT is '0'"),
        ({"DATABASE_STATEMENT_TIMEOUT": "1.5"}, "DATABASE_STATEMENT_TIMEOUT is '1.5'"),
        ({"API_THROTTLE_READ": "100"}, "API_THROTTLE_READ is '100'; it is a number of calls per"),
        ({"API_THROTTLE_COMMAND": "0/min"}, "API_THROTTLE_COMMAND is '0/min'"),
        ({"API_THROTTLE_COMMAND": "1.5/min"}, "API_THROTTLE_COMMAND is '1.5/min'"),
        ({"API_THROTTLE_FEED": "5/month"}, "API_THROTTLE_FEED is '5/month'"),
        ({"CACHE_URL": "memcached://host"}, "CACHE_URL names no Redis"),
        ({"CACHE_URL": "redis://host/0?foo=bar"}, "CACHE_URL names no Redis"),
        ({"CACHE_URL": "redis://u:s3cret@host:port/0"}, "CACHE_URL names no Redis"),
        ({"CACHE_URL": "redis://host:port/0"}, "CACHE_URL names no Redis"),
        ({"EVENT_FEED_URL": "https://host/feed/"}, "EVENT_FEED_URL and EVENT_FEED_TOKEN go togeth"),
        ({"EVENT_FEED_TOKEN": "secret"}, "EVENT_FEED_URL and EVENT_FEED_TOKEN go together"),
        (
            {"EVENT_FEED_URL": "ftp://host/feed/", "EVENT_FEED_TOKEN": "secret"},
            "EVENT_FEED_URL is 'ftp://host/feed/'; it is the feed's address",
        ),
        ({"EVENT_BUS_URL": "nats://host"}, "EVENT_BUS_URL is of nats; it is one of RabbitMQ (amqp"),
        ({"EVENT_BUS_URL": "localhost:5672"}, "EVENT_BUS_URL is of localhost; it is one of"),
        ({"EVENT_BUS_URL": "rabbit"}, "EVENT_BUS_URL is of no scheme; it is one of"),
        ({"EVENT_BUS_URL": "amqp:///"}, "EVENT_BUS_URL does not say where the broker is"),
        ({"EVENT_BUS_URL": "amqp://user:s3cret@host:port"}, "EVENT_BUS_URL does not say where"),
        ({"EVENT_BUS_URL": "kafka://one:9092,two:99999"}, "EVENT_BUS_URL does not say where"),
        ({"EVENT_BUS_URL": "kafka://one:9092,,two"}, "EVENT_BUS_URL does not say where"),
        ({"EVENT_BUS_TOPIC": "all events"}, "EVENT_BUS_TOPIC: 'all events' is no name on a broker"),
        ({"EVENT_BUS_GROUP": ""}, "EVENT_BUS_GROUP: '' is no name on a broker"),
        ({"EVENT_BUS_GROUP": "x" * 81}, "EVENT_BUS_GROUP: "),
        ({"EVENT_BUS_GROUP": "a..b"}, "EVENT_BUS_GROUP: 'a..b' is no name"),
        ({"EVENT_BUS_PARTITIONS": "0"}, "EVENT_BUS_PARTITIONS is '0'; it is a number from 1 to"),
        ({"EVENT_BUS_PARTITIONS": "1025"}, "EVENT_BUS_PARTITIONS is '1025'"),
        ({"EVENT_BUS_PARTITIONS": "eight"}, "EVENT_BUS_PARTITIONS is 'eight'"),
        ({"EVENT_BUS_PERSONAL_DATA": "some"}, "EVENT_BUS_PERSONAL_DATA is 'some'; it is include"),
    ],
)
def test_what_will_not_do_is_named_before_anything_starts(
    environment: dict[str, str], words: str
) -> None:
    refused = start(**{**NEEDED, **environment})
    assert refused.returncode != 0
    assert f"ImproperlyConfigured: {words}" in refused.stderr
    assert "s3cret" not in refused.stderr


def test_hosts_are_named_as_requests_name_them() -> None:
    hosts = "example.org, .example.net,192.0.2.7,[2001:db8::7],*"
    assert start("ALLOWED_HOSTS", **NEEDED, ALLOWED_HOSTS=hosts).stdout == (
        "['example.org', '.example.net', '192.0.2.7', '[2001:db8::7]', '*']\n"
    )


def test_a_secret_may_begin_with_any_character() -> None:
    secret = f"${SECRET}"
    assert start("SECRET_KEY", **{**NEEDED, "SECRET_KEY": secret}).stdout == f"{secret}\n"


def test_older_secrets_are_accepted_behind_the_one_that_signs(tmp_path: Path) -> None:
    older = [f"{SECRET}{number}" for number in (1, 2)]
    given = {**NEEDED, "SECRET_KEY_FALLBACKS": ",".join(older)}
    assert start("SECRET_KEY_FALLBACKS", **given).stdout == f"{older}\n"
    file = tmp_path / "secret keys"
    file.write_text(f"{SECRET}\r\n\n  {older[0]}\n{older[1]}")
    given = {"PERSONAL_DATA_KEYS": KEY, "SECRET_KEY_FILE": str(file)}
    assert start("SECRET_KEY", **given).stdout == f"{SECRET}\n"
    assert start("SECRET_KEY_FALLBACKS", **given).stdout == f"{older}\n"
    file.write_text(f"{SECRET}\n\ns3cret")
    refused = start("SECRET_KEY", **given)
    assert "ImproperlyConfigured: SECRET_KEY_FILE, line 3 has 6 characters" in refused.stderr
    assert "s3cret" not in refused.stderr
    file.write_bytes(b"\xff" * 60)
    assert "is not text" in start("SECRET_KEY", **given).stderr


def test_on_ones_own_machine_any_secret_will_do() -> None:
    assert start("SECRET_KEY", DEBUG="true", SECRET_KEY="short").stdout == "short\n"
    assert start("SECRET_KEY", DEBUG="true").stdout == "insecure-for-development-only\n"


def test_nothing_is_believed_of_a_proxy_unless_it_is_set() -> None:
    for name, default in {
        "SECURE_PROXY_SSL_HEADER": "None",
        "PROXY_COUNT": "0",
        "CSRF_TRUSTED_ORIGINS": "[]",
        "SECURE_SSL_REDIRECT": "False",
        "SECURE_HSTS_SECONDS": "0",
        "SESSION_COOKIE_SECURE": "False",
    }.items():
        assert start(name, **NEEDED).stdout == f"{default}\n", name


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        (
            "SECURE_PROXY_SSL_HEADER",
            {"SECURE_PROXY_SSL_HEADER": "X-Forwarded-Proto: https"},
            "('HTTP_X_FORWARDED_PROTO', 'https')",
        ),
        ("PROXY_ADDRESS_HEADER", {"PROXY_ADDRESS_HEADER": "X-Real-IP"}, "HTTP_X_REAL_IP"),
        (
            "CSRF_TRUSTED_ORIGINS",
            {"CSRF_TRUSTED_ORIGINS": "https://a.org:8443, https://*.b.org"},
            "['https://a.org:8443', 'https://*.b.org']",
        ),
        ("SESSION_COOKIE_SECURE", {"SECURE_COOKIES": "true"}, "True"),
        ("CSRF_COOKIE_SECURE", {"SECURE_COOKIES": "true"}, "True"),
        ("SESSION_IDLE", {"SESSION_IDLE_MINUTES": "30"}, "1800"),
        ("SESSION_COOKIE_AGE", {"SESSION_IDLE_MINUTES": "30"}, "1980"),
        (
            "SIGN_IN_THROTTLES",
            {"SIGN_IN_THROTTLE_NAME": "", "SIGN_IN_THROTTLE_ADDRESS": "5/min"},
            "{'address': (5, 60), 'name': None, 'name_at_address': (10, 3600)}",
        ),
    ],
)
def test_what_is_set_of_proxies_and_sign_in(
    name: str, given: dict[str, str], expected: str
) -> None:
    assert start(name, **NEEDED, **given).stdout == f"{expected}\n"


OPTIONS = "DATABASES['default']['OPTIONS']"


def test_limits_of_time_are_told_to_the_database() -> None:
    postgres = {**NEEDED, "DATABASE_URL": "postgres://host/name"}
    assert start(f"{OPTIONS}['connect_timeout']", **postgres).stdout == "5\n"
    stated = start(f"{OPTIONS}['connect_timeout']", **postgres, DATABASE_CONNECT_TIMEOUT="9")
    assert stated.stdout == "9\n"
    assert start(f"{OPTIONS}['tcp_user_timeout']", **postgres).stdout == "30000\n"
    # Not in every process: see `test_web_processes_limit_statements_and_locks`.
    assert "timeout" not in start(f"{OPTIONS}['options']", **postgres).stdout
    sqlite = {**NEEDED, "DATABASE_URL": "sqlite:////db"}
    assert start(f"{OPTIONS}['timeout']", **sqlite).stdout == "20\n"
    assert start(f"{OPTIONS}['timeout']", **sqlite, DATABASE_LOCK_TIMEOUT="3").stdout == "3\n"


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (
            "",
            "-c statement_timeout=20000 -c lock_timeout=10000 -c random_page_cost=1.1 -c jit=off",
        ),
        (
            "?options=-c%20statement_timeout%3D0",
            "-c lock_timeout=10000 -c statement_timeout=0",
        ),
    ],
)
def test_web_processes_limit_statements_and_locks(stated: str, expected: str) -> None:
    url = f"postgres://127.0.0.1:1/name{stated}"
    served = (
        f"WSGI_APPLICATION and __import__('recruitment.wsgi') and settings.{OPTIONS}['options']"
    )
    assert start(served, **NEEDED, DATABASE_URL=url).stdout == f"{expected}\n"


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="these are SQLite's")
def test_sqlite_writes_ahead_and_commits_to_disk() -> None:
    with connection.cursor() as cursor:
        found = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert found == ["wal", 2, 20_000]
