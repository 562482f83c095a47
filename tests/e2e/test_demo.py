"""The demo as people start it: `manage.py demo` in a process of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import CookieJar
from pathlib import Path
from threading import Timer
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, ProxyHandler, Request, build_opener

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True)
class Demo:
    process: "subprocess.Popen[str]"
    welcome: str

    @property
    def site(self) -> str:
        return self._found(r"(http://127\.0\.0\.1:\d+)/admin/")

    @property
    def token(self) -> str:
        return self._found(r"Bearer (\w+)'")

    def password(self, user: str) -> str:
        return self._found(rf"{user} +(\S+)")

    def _found(self, pattern: str) -> str:
        match = re.search(pattern, self.welcome)
        assert match, self.welcome
        return match[1]


@pytest.fixture
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project in which nobody has started anything, at an awkward path."""
    copy = tmp_path_factory.mktemp("a checkout #1 50%25")
    shutil.copy(CHECKOUT / "manage.py", copy)
    for package in ("recruitment", "candidates", "eventstore"):
        shutil.copytree(
            CHECKOUT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    return copy


def _command(checkout: Path, *arguments: str) -> dict[str, Any]:
    """Started from elsewhere, with nothing set but what must be passed over."""
    return {
        "args": [sys.executable, str(checkout / "manage.py"), "demo", *arguments],
        "cwd": "/",
        "env": {"PATH": os.environ["PATH"], "DATABASE_URL": "mysql://nobody@nowhere/precious"},
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "text": True,
    }


@contextmanager
def _running(checkout: Path) -> Iterator[Demo]:
    with subprocess.Popen(
        **_command(checkout, "--port", "0"),
        # A shell without job control starts what runs in its background deaf to SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = Timer(120, process.kill)
        deadline.start()
        try:
            assert process.stdout
            welcome = ""
            while "Ctrl-C" not in welcome and (line := process.stdout.readline()):
                welcome += line
            yield Demo(process=process, welcome=welcome)
        finally:
            process.kill()
            deadline.cancel()


def _browser() -> OpenerDirector:
    return build_opener(ProxyHandler({}), HTTPCookieProcessor(CookieJar()))


def _get(demo: Demo, path: str, **headers: str) -> str:
    with _browser().open(Request(demo.site + path, headers=headers), timeout=30) as response:
        return str(response.read().decode())


def _logged_in(demo: Demo, user: str) -> str:
    """The page that the login form leads to."""
    browser, address = _browser(), f"{demo.site}/admin/login/?next=/admin/"
    with browser.open(address, timeout=30) as response:
        form = response.read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token
    fields = {
        "csrfmiddlewaretoken": token[1],
        "username": user,
        "password": demo.password(user),
        "next": "/admin/",
    }
    with browser.open(address, data=urlencode(fields).encode(), timeout=30) as response:
        return str(response.read().decode())


def _added(demo: Demo, name: str) -> int:
    request = Request(
        f"{demo.site}/api/v1/candidates/",
        data=f'{{"profile": {{"name": "{name}"}}, "score": 80}}'.encode(),
        headers={"Authorization": f"Bearer {demo.token}", "Content-Type": "application/json"},
    )
    with _browser().open(request, timeout=30) as response:
        return int(response.status)


def test_it_starts_where_nothing_is_set_and_keeps_what_is_there(checkout: Path) -> None:
    with _running(checkout) as demo:
        assert "The demo has 500 candidates." in demo.welcome
        assert "/admin/logout/" in _logged_in(demo, "recruiter")
        assert "results" in _get(demo, "/api/v1/candidates/", Authorization=f"Bearer {demo.token}")
        assert "swagger" in _get(demo, "/api/v1/docs/")
        assert _get(demo, "/static/admin/css/base.css")
        assert _added(demo, "Newcomer") == 201
        open_now = {path.name: path.stat().st_mode & 0o777 for path in checkout.glob("demo.*")}
        assert open_now == dict.fromkeys(
            ("demo.secret", "demo.sqlite3", "demo.sqlite3-shm", "demo.sqlite3-wal"), 0o600
        )
        demo.process.send_signal(signal.SIGINT)
        said, errors = demo.process.communicate(timeout=30)
        assert demo.process.returncode == 0
        assert (said, errors) == ("\nStopped. The next start goes on from here.\n", "")
    kept = {path.name: path.stat().st_mode & 0o777 for path in checkout.glob("demo.*")}
    assert kept == {"demo.secret": 0o600, "demo.sqlite3": 0o600}
    with _running(checkout) as again:
        assert "The demo has 501 candidates." in again.welcome
        assert again.password("viewer") != demo.password("viewer")
        assert "/admin/logout/" in _logged_in(again, "viewer")


def test_a_second_demo_leaves_the_first_one_alone(checkout: Path) -> None:
    with _running(checkout) as demo:
        second = subprocess.run(**_command(checkout), timeout=120, check=False)
        assert second.returncode == 1
        assert second.stdout == ""
        assert second.stderr == (
            f"Error: a demo runs already in {checkout}: use it, or stop it first.\n"
        )
        assert "/admin/logout/" in _logged_in(demo, "recruiter")


def test_a_taken_port_is_told_in_one_line_before_anything_is_done(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = subprocess.run(**_command(checkout, "--port", str(port)), timeout=120, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert re.fullmatch(rf"CommandError: Port {port} .* --port\.\n", ended.stderr)
    assert not (checkout / "demo.sqlite3").exists()


def test_a_port_that_cannot_be_is_told_in_one_line(checkout: Path) -> None:
    ended = subprocess.run(**_command(checkout, "--port", "65536"), timeout=120, check=False)
    assert ended.returncode == 1
    assert re.fullmatch(r"CommandError: Port 65536 .* --port\.\n", ended.stderr)
