"""What the environment may say, and what is said about what it may not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

ROOT = Path(__file__).parent.parent.parent
SECRET = "x" * 50
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
    secret = "$" + "x" * 50
    assert start("SECRET_KEY", **{**NEEDED, "SECRET_KEY": secret}).stdout == f"{secret}\n"


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="these are SQLite's")
def test_sqlite_writes_ahead_and_commits_to_disk() -> None:
    with connection.cursor() as cursor:
        found = [
            cursor.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "busy_timeout")
        ]
    assert found == ["wal", 2, 20_000]
