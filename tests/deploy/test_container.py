"""The container file builds what it says, tried step by step in a small Debian."""

import json
import secrets
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.deploy.container_file import Stage, built
from tests.deploy.roots import Root, bootstrapped, terminate
from tests.processes import ROOT, until

pytestmark = pytest.mark.long
SETTINGS = {
    "SECRET_KEY": secrets.token_urlsafe(50),
    "PERSONAL_DATA_KEYS": "b25seSBmb3IgdGVzdHMgb25seSBmb3IgdGVzdHMgMTI=",
    "DATABASE_URL": "sqlite:////tmp/database.sqlite3",
}
USER = "10001:10001"


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "root"
    bootstrapped(path)
    return path


@pytest.fixture(scope="module")
def image(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    file = ROOT / "recruitment/deploy/Containerfile"
    return built(file, context=ROOT, base=base, into=tmp_path_factory.mktemp("stages"))


@pytest.fixture
def root(image: Stage) -> Iterator[Root]:
    with image.entered() as root:
        yield root


def size(path: Path) -> int:
    """In megabytes."""
    told = subprocess.run(["du", "-sxm", str(path)], capture_output=True, text=True, check=True)
    return int(told.stdout.split()[0])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def test_it_is_small(image: Stage, base: Path) -> None:
    added = size(image.path) - size(base)
    print(f"the image adds {added} MB to Debian's {size(base)} MB")  # noqa: T201
    assert added < 250


def test_it_has_what_running_needs_and_nothing_else(image: Stage, root: Root) -> None:
    opt = image.path / "opt/recruitment"
    assert {path.name for path in opt.iterdir()} == {
        *(".venv", "manage.py", "LICENSE", "candidates", "eventstore", "recruitment")
    }
    listed = {path.name.lower() for path in opt.glob(".venv/lib/python3*/site-packages/*")}
    assert {"django", "gunicorn", "structlog"} <= listed
    assert not listed & {"pip", "setuptools", "pytest", "hypothesis", "mypy"}
    for program in ("gcc", "git", "psql", "curl", "pip"):
        found = root.run("which", program, check=False)
        assert found.returncode == 1, program


def test_it_is_nobodys_to_change(image: Stage, root: Root) -> None:
    assert image.user == USER
    for path in ("/opt/recruitment", "/opt/recruitment/recruitment/settings.py", "/etc", "/usr"):
        assert root.run("test", "-w", path, user=USER, check=False).returncode == 1, path
    assert root.run("id", "-un", user=USER).stdout == "recruitment\n"
    setuid = root.run("find", "/opt", "/usr/local", "-perm", "/6000").stdout
    assert setuid == ""


def test_it_serves_by_its_command(image: Stage, root: Root) -> None:
    environment = {**image.environment, **SETTINGS}
    environment["PATH"] = image.environment["PATH"]

    def manage(*command: str) -> str:
        return root.run(
            "/opt/recruitment/.venv/bin/python",
            "manage.py",
            *command,
            cwd=image.workdir,
            user=USER,
            environment=environment,
        ).stdout

    manage("migrate")
    manage("follow", "--once")
    port = free_port()
    environment["GUNICORN_CMD_ARGS"] = f"--bind=127.0.0.1:{port} --workers=2"
    with root.running(
        *image.command, cwd=image.workdir, user=USER, environment=environment
    ) as server:

        def answers() -> bool:
            assert server.poll() is None, server.communicate()
            with socket.socket() as tried:
                return tried.connect_ex(("127.0.0.1", port)) == 0

        until(answers, seconds=60)
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
            client.request("GET", "/readyz?q=Zebedee")
            answer = client.getresponse()
            assert (answer.status, json.loads(answer.read())["ready"]) == (200, True)
            client.request("GET", "/admin/login/")
            page = client.getresponse().read().decode()
            assert "Recruitment" in page
            client.request("GET", "/static/admin/css/base.css")
            assert client.getresponse().status == 200
        terminate(server)
        _, errors = server.communicate(timeout=60)
    assert server.returncode == 0
    lines = [json.loads(line) for line in errors.splitlines()]
    paths = [line["path"] for line in lines if "path" in line]
    assert paths == ["/readyz", "/admin/login/", "/static/admin/css/base.css"]
    assert "Zebedee" not in errors


def test_what_it_lacks_is_told_in_one_line(image: Stage, root: Root) -> None:
    ended = root.run(
        *image.command,
        cwd=image.workdir,
        user=USER,
        environment=image.environment,
        check=False,
    )
    assert ended.returncode != 0
    assert "SECRET_KEY is not set" in ended.stderr
    assert "Traceback" not in ended.stderr
