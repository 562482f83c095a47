"""Behind a TLS proxy, with exactly the settings and the configuration that the docs show."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse
from http.cookies import Morsel, SimpleCookie
from pathlib import Path
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User

from recruitment.tokens import issue
from tests import factories
from tests.given import given
from tests.processes import ROOT, running, until
from tests.tls_proxy import TlsProxy, documented, free_port, tls_proxy

HOST = "tracker.example.org"
PASSWORD = "correct horse"
LIST = "/admin/candidates/candidateprojection/"
API = "/api/v1/candidates/"
NEEDED = {
    "SECRET_KEY": "One-Secret_for.tests" * 3 + "!",
    "PERSONAL_DATA_KEYS": "b25seSBmb3IgdGVzdHMgb25seSBmb3IgdGVzdHMgMTI=",
}


def settings_of_the_docs() -> dict[str, str]:
    lines = [shlex.split(line) for line in documented("sh").splitlines()]
    assert all(command == "export" for command, _ in lines)
    return dict(setting.split("=", 1) for _, setting in lines)


@dataclass
class TlsBrowser:
    """Keeps cookies as a browser does: what is Secure goes over HTTPS only, and it does."""

    proxy: TlsProxy
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: dict[str, "Morsel[str]"] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"https://{HOST}:{self.proxy.port}"

    def ask(
        self, method: str, address: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> tuple[HTTPResponse, str]:
        """The answer and its text."""
        sent = {
            **self.headers,
            "Cookie": "; ".join(f"{n}={c.value}" for n, c in self.cookies.items()),
        }
        if form is not None:
            sent |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": self.origin}
        with closing(self.proxy.connect()) as connection:
            body = None if form is None else urlencode(form)
            connection.request(method, address, body, {**sent, **headers})
            answer = connection.getresponse()
            text = answer.read().decode()
        for line in answer.headers.get_all("Set-Cookie", []):
            self.cookies |= SimpleCookie(line)
        return answer, text

    def log_in(self, password: str = PASSWORD, next: str = LIST, **headers: str) -> HTTPResponse:
        _, page = self.ask("GET", f"/admin/login/?{urlencode({'next': next})}")
        (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        form = {
            "username": "rita",
            "password": password,
            "next": next,
            "csrfmiddlewaretoken": token,
        }
        answer, _ = self.ask("POST", "/admin/login/", form, **headers)
        return answer


@pytest.fixture
def rita(transactional_db: None, user_in: Callable[..., User]) -> User:
    user = user_in("Recruiters", name="rita")
    user.is_staff = True
    # As the server hashes, not as tests do.
    user.password = PBKDF2PasswordHasher().encode(PASSWORD, "salt" * 6)
    user.save()
    return user


@dataclass
class Served:
    port: int
    proxy: TlsProxy
    log: Path

    def said(self, logger: str) -> list[str]:
        return re.findall(rf"{re.escape(logger)} \[[^]]*\] (.*)", self.log.read_text())


@pytest.fixture
def served(rita: User, tmp_path: Path) -> Iterator[Served]:
    port, log = free_port(), tmp_path / "log"
    (tmp_path / "nginx").mkdir()
    with (
        tls_proxy(tmp_path / "nginx", host=HOST, upstream=port) as proxy,
        running(
            *("-m", "gunicorn", "--workers", "2", "--no-control-socket"),
            *("--bind", f"127.0.0.1:{port}", "--capture-output", "--log-file", str(log)),
            "recruitment.wsgi:application",
            DJANGO_SETTINGS_MODULE="recruitment.settings",
            SIGN_IN_THROTTLE_NAME_AT_ADDRESS="3/h",
            **settings_of_the_docs(),
        ) as server,
    ):

        def answers() -> bool:
            assert server.poll() is None, log.read_text()
            try:
                return _plain(port, "/healthz").status == 200
            except OSError:
                return False

        until(answers, seconds=60)
        yield Served(port, proxy, log)
        server.terminate()
        server.wait(timeout=60)


def _plain(port: int, path: str) -> HTTPResponse:
    """As who asks the server itself, without TLS."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path, headers={"Host": HOST})
        answer = connection.getresponse()
        answer.read()
        return answer


def test_pages_logins_and_cookies_stay_with_https(served: Served, rita: User) -> None:
    check_login(served)
    check_plain_http(served.port)
    check_pages_of_the_api(served, rita)


def check_login(served: Served) -> None:
    browser = TlsBrowser(served.proxy)
    answer, _ = browser.ask("GET", LIST)
    assert (answer.status, answer.headers["Location"]) == (302, f"/admin/login/?next={LIST}")
    assert answer.headers["Strict-Transport-Security"] == (
        "max-age=31536000; includeSubDomains; preload"
    )
    answer = browser.log_in()
    assert (answer.status, answer.headers["Location"]) == (302, LIST)
    answer, page = browser.ask("GET", LIST)
    assert (answer.status, "rita" in page) == (200, True)
    assert set(browser.cookies) == {"csrftoken", "sessionid"}
    for cookie in browser.cookies.values():
        assert (cookie["secure"], cookie["samesite"], cookie["domain"]) == (True, "Lax", "")
    assert browser.cookies["sessionid"]["httponly"]
    # No other site, and no page of this one by plain HTTP, sends forms here.
    for origin in ("https://evil.example", f"http://{HOST}:{served.proxy.port}", "null"):
        answer, _ = browser.ask("POST", "/admin/logout/", {}, Origin=origin)
        assert answer.status == 403
    for elsewhere in ("https://evil.example/", f"http://{HOST}:{served.proxy.port}{LIST}"):
        answer = TlsBrowser(served.proxy).log_in(next=elsewhere)
        assert (answer.status, answer.headers["Location"]) == (302, "/admin/")


def check_plain_http(port: int) -> None:
    """What a load balancer asks is answered, and the rest led to HTTPS."""
    assert [_plain(port, path).status for path in ("/healthz", "/readyz")] == [200, 200]
    for path in ("/admin/login/", API, "/", "/healthz/../admin/", "/x/healthz"):
        answer = _plain(port, path)
        assert answer.status == 301, path
        assert answer.headers["Location"].startswith(f"https://{HOST}/"), path
        assert "Set-Cookie" not in answer.headers


def check_pages_of_the_api(served: Served, rita: User) -> None:
    for number in range(3):
        given(factories.add(candidate_id=uuid4(), profile={"name": f"Ann {number}"}))
    _, token = issue(rita)
    browser = TlsBrowser(served.proxy, headers={"Authorization": f"Bearer {token}"})
    address, names = f"{API}?page_size=2", []
    while address:
        answer, text = browser.ask("GET", address)
        assert answer.status == 200, text
        page = json.loads(text)
        names += [one["profile"]["name"] for one in page["results"]]
        assert page["next"] is None or page["next"].startswith(f"{browser.origin}/")
        parts = urlsplit(page["next"] or "")
        address = parts.path and f"{parts.path}?{parts.query}"
    assert len(names) == len(set(names)) == 3
    assert not browser.cookies


def test_a_client_is_known_by_where_it_calls_from_whatever_it_says(served: Served) -> None:
    answers = []
    for number in range(4):
        said = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
        browser = TlsBrowser(served.proxy, headers=said)
        answers.append(browser.log_in(password=f"geheim {number}"))
    assert [answer.status for answer in answers] == [200] * 3 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 1200
    until(lambda: len(served.said("recruitment.sign_in")) == 4)
    refused = served.said("recruitment.sign_in")[-1]
    assert re.fullmatch(r'sign_in_refused user="rita" address="127.0.0.1" wait="\d+"', refused)
    assert "geheim" not in served.log.read_text()


def test_the_documented_settings_pass_every_check_of_a_deployment() -> None:
    checked = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", **NEEDED, **settings_of_the_docs()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout == "System check identified no issues (0 silenced).\n"
