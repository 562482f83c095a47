"""What the log says of requests, as text and as JSON, and the names that it keeps to itself."""

import io
import json
import logging
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from rest_framework.test import APIClient

from recruitment.log_lines import TextFormatter, json_formatter, without_queries
from recruitment.models import Scope
from recruitment.tokens import issue
from tests.browser import Browser
from tests.processes import ROOT, running, until

NAME = "Zebedee"
URL = "/api/v1/candidates/"
ADMIN = "/admin/candidates/candidateprojection/"


@contextmanager
def written(formatter: logging.Formatter | None = None) -> Iterator[Callable[[], list[str]]]:
    """What the handler of the settings writes meanwhile, in this format."""
    handlers = logging.getLogger().handlers
    handler = next(one for one in handlers if type(one) is logging.StreamHandler)
    lines = io.StringIO()
    before, kept = handler.setStream(lines), handler.formatter
    handler.setFormatter(formatter or kept)
    try:
        yield lambda: lines.getvalue().splitlines()
    finally:
        handler.setStream(before)
        handler.setFormatter(kept)


@pytest.mark.django_db
def test_each_request_has_a_line_of_json(user_in: Callable[..., User]) -> None:
    user = user_in("Recruiters")
    _, token = issue(user, scopes=[Scope.READ], expires=None)
    before = datetime.now().astimezone()
    with written(json_formatter()) as lines:
        Client().get(
            f"{URL}?search={NAME}",
            headers={"Authorization": f"Bearer {token}", "X-Request-ID": "one"},
        )
    (line,) = [json.loads(line) for line in lines()]
    taken = line.pop("duration_ms")
    logged = datetime.fromisoformat(line.pop("time"))
    assert line == {
        "level": "info",
        "logger": "recruitment.request_log",
        "message": f"GET {URL} 200 in {taken:.1f} ms by user {user.pk}",
        "request_id": "one",
        "method": "GET",
        "path": URL,
        "status": 200,
        "user_id": user.pk,
    }
    assert 0 < taken < 600_000
    assert before - timedelta(seconds=1) < logged < datetime.now().astimezone()


@pytest.mark.django_db
def test_text_says_the_same_in_one_line() -> None:
    with written() as lines:
        Client().get("/healthz", headers={"X-Request-ID": "two"})
    (line,) = lines()
    stamp = r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"
    said = r"GET /healthz 200 in \d+\.\d ms by user None"
    assert re.fullmatch(rf"{stamp} INFO recruitment\.request_log \[two\] {said}", line)


@pytest.mark.django_db
def test_who_is_logged_in_to_the_admin_is_named_and_nobody_is_asked_for(
    staff: Callable[..., Browser], django_assert_num_queries: Any
) -> None:
    browser = staff("Recruiters")
    with written(json_formatter()) as lines:
        browser.get(ADMIN)
        with django_assert_num_queries(0):
            browser.get("/healthz")
    page, health = [json.loads(line) for line in lines()]
    assert (page["status"], page["user_id"]) == (200, User.objects.get(username="rita").pk)
    assert health["user_id"] is None


def test_a_line_of_json_outside_of_requests_has_no_request() -> None:
    with written(json_formatter()) as lines:
        logging.getLogger("a.library").warning("told %s", "twice\nover")
        try:
            raise ZeroDivisionError(f"at /x?search={NAME}")
        except ZeroDivisionError:
            logging.getLogger("a.library").exception("failed")
    told, failed = [json.loads(line) for line in lines()]
    assert (told["message"], told["level"], told["logger"]) == (
        "told twice\nover",
        "warning",
        "a.library",
    )
    assert told["request_id"] is None
    assert failed["exception"].startswith("Traceback (most recent call last):")
    assert failed["exception"].endswith("ZeroDivisionError: at /x?…")


@pytest.mark.django_db
@pytest.mark.parametrize("formatter", [None, json_formatter()], ids=["text", "json"])
def test_a_name_that_was_searched_for_is_in_no_line(
    formatter: logging.Formatter | None,
    staff: Callable[..., Browser],
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    browser, api = staff("Recruiters"), client_of(user_in("Recruiters", name="ann"))
    for client in (browser, api):
        client.raise_request_exception = False
    query = f"?search={NAME}&name=O'{NAME}%20{NAME}"
    referer = f"https://elsewhere.example{ADMIN}?q={NAME}"
    with written(formatter) as lines:
        browser.get(f"{ADMIN}?q={NAME}")
        browser.get(f"{ADMIN}{query}")
        browser.get(f"/admin/nowhere/{query}", headers={"Referer": referer})
        browser.get(f"{ADMIN}%3Fq={NAME}/")
        # Django says which Referer it refuses.
        strict = Browser(enforce_csrf_checks=True)
        strict.post("/admin/login/", secure=True, headers={"Referer": referer})
        api.get(f"{URL}{query}")
        api.get(f"{URL}?no_such_parameter={NAME}")
        api.get(f"/api/nowhere/{query}")
        api.get(f"{URL}%0A%3Fq={NAME}/")
        api.get(f"{URL}{query}", headers={"Host": f"{NAME}.example"})
        monkeypatch.setattr("candidates.api.views.candidate_service", lambda: 1 / 0)
        api.post(URL, {"profile": {}, "score": 1}, headers={"Referer": referer})
        logged = lines()
    of_requests = [line for line in logged if "recruitment.request_log" in line]
    assert len(of_requests) == 11
    assert any("Referer checking failed" in line for line in logged)
    assert any("ZeroDivisionError" in line for line in logged)
    assert [line for line in logged if NAME in line and "Invalid HTTP_HOST" not in line] == []
    if formatter:
        assert all(json.loads(line) for line in logged)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('"GET /a/?q=Ann HTTP/1.1" 200 5', '"GET /a/?… HTTP/1.1" 200 5'),
        ("Bad request syntax ('GET /a?q=Ann Lee HTTP/1.1')", "Bad request syntax ('GET /a?… HTTP"),
        ("failed - https://x.org/?q=O'Neill does not match", "failed - https://x.org/?… does not"),
        ("Send it now? Yes.", "Send it now? Yes."),
        (
            "Invalid request from ip=::1: Invalid HTTP Version: 'Lee HTTP/1.1'",
            "Invalid request from ip=::1: Invalid HTTP Version: …",
        ),
    ],
)
def test_addresses_end_at_their_query(text: str, shown: str) -> None:
    assert without_queries(text).startswith(shown)
    assert "Lee" not in without_queries(text)


def test_a_traceback_of_the_text_ends_there_too() -> None:
    formatter = TextFormatter("%(message)s")
    try:
        raise ValueError(f"/a?q={NAME}")
    except ValueError:
        record = logging.LogRecord("x", 40, "", 1, "m", None, sys.exc_info())
    assert NAME not in formatter.format(record)


def answers_at(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("format", ["text", "json"])
@pytest.mark.parametrize("server", ["gunicorn", "runserver"])
def test_no_server_writes_what_was_searched_for(server: str, format: str) -> None:
    port = free_port()
    settings = {"DJANGO_SETTINGS_MODULE": "recruitment.settings", "LOG_FORMAT": format}
    command: tuple[str, ...] = ("manage.py", "runserver", "--noreload", f"127.0.0.1:{port}")
    if server == "gunicorn":
        config = "recruitment/deploy/gunicorn_conf.py"
        command = ("-m", "gunicorn", "--config", config, "recruitment.wsgi:application")
        options = f"--bind=127.0.0.1:{port} --workers=1 --access-logfile=-"
        settings["GUNICORN_CMD_ARGS"] = options
    with running(*command, **settings) as process:
        until(lambda: answers_at(port), seconds=60)
        for line in (
            f"GET {URL}?search={NAME} HTTP/1.1",
            f"GET /nowhere?search={NAME} HTTP/1.1",
            f"GET {URL}?search=x {NAME} HTTP/1.1",
            f"{NAME}? {URL} HTTP/1.1",
            f"GET {URL}?search={NAME}",
        ):
            with socket.create_connection(("127.0.0.1", port), 60) as asked:
                head = f"{line}\r\nHost: localhost\r\nReferer: http://x/?q={NAME}\r\n"
                asked.sendall(f"{head}Connection: close\r\n\r\n".encode())
                while asked.recv(65536):
                    pass
        process.terminate()
        said = "".join(process.communicate(timeout=60))
    assert f"GET {URL} 401" in said
    assert NAME not in said
    if server == "gunicorn":
        # Its own access log, where somebody turns it on.
        assert f"GET {URL} HTTP/1.1" in said
        assert "Invalid request from ip=127.0.0.1: " in said
        if format == "json":
            assert all(json.loads(line) for line in said.splitlines())


def test_a_format_that_there_is_not_is_told() -> None:
    ended = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"SECRET_KEY": "x" * 50, "DEBUG": "true", "LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr == "Error: LOG_FORMAT is 'xml'; it is one of text, json.\n"
