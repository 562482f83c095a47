"""The page on deployment, carried out line by line in a small Debian in which nothing is yet."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.roots import Root, bootstrapped, entered
from tests.processes import ROOT, until

pytestmark = pytest.mark.long
PAGE = (ROOT / "recruitment/docs/deployment.md").read_text()
NAME = "tracker.example.org"
API = f"https://{NAME}/api/v1"
_PRINTED = "the block has ended"


def blocks(heading: str) -> str:
    """Returns what is to be typed under this heading."""
    section = re.split(r"^## ", PAGE.split(f"\n## {heading}\n")[1], flags=re.M)[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", section, flags=re.M | re.S))


class Server:
    """A shell of root's in which everything is typed, one heading after the other."""

    def __init__(self, root: Root) -> None:
        self.root = root
        self._shell = subprocess.Popen(
            root.command("/bin/sh", "-e"),
            env=root.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def follow(self, heading: str) -> str:
        """Types all that stands under the heading; returns what was printed."""
        return self.type(blocks(heading), heading)

    def type(self, commands: str, heading: str = "") -> str:
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        # From a file: what a command reads is not what the shell is to read next.
        (self.root.path / "tmp/typed").write_text(commands)
        self._shell.stdin.write(f". /tmp/typed </dev/null\necho; echo {_PRINTED}\n")
        self._shell.stdin.flush()
        printed = ""
        for line in self._shell.stdout:
            if line.strip() == _PRINTED:
                return printed
            printed += line
        raise AssertionError(f"{heading or commands} ended with:\n{printed}")

    def call(self, path: str, *, token: str, body: Any = None, key: str = "") -> Any:
        """What the API answers through the proxy."""
        options = ["--data-binary", json.dumps(body)] if body is not None else []
        options += ["--header", f"Idempotency-Key: {key}"] if key else []
        answer = self.root.run(
            *("curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "60"),
            *("--cacert", "/etc/recruitment/tls.crt", "--resolve", f"{NAME}:443:127.0.0.1"),
            *("--header", f"Authorization: Bearer {token}"),
            *("--header", "Content-Type: application/json", *options, f"{API}{path}"),
        )
        return json.loads(answer.stdout)

    def answers(self, path: str) -> bool:
        asked = ("--cacert", "/etc/recruitment/tls.crt", "--resolve", f"{NAME}:443:127.0.0.1")
        options = ("--silent", "--fail", "--max-time", "10", *asked)
        return self.root.run("curl", *options, f"https://{NAME}{path}", check=False).returncode == 0

    def rows_of_the_consumer(self) -> list[str]:
        """Each candidate and its version, in the other system's database."""
        asked = "SELECT id, version FROM candidates_candidateprojection ORDER BY id"
        printed = self.type(f"cd /; su postgres -c \"psql -qAt -c '{asked}' recruitment_readers\"")
        return printed.split()

    def log_of(self, service: str) -> str:
        return (self.root.path / f"run/services/{service}.log").read_text()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A Debian with what the first heading installs, and a checkout."""
    path = tmp_path / "root"
    bootstrapped(path)
    prepare(path)
    return path


def prepare(path: Path) -> None:
    stand_in = path / "usr/local/bin/systemctl"
    stand_in.write_text((Path(__file__).parent / "systemctl.py").read_text())
    stand_in.chmod(0o755)
    checkout = path / "opt/recruitment"
    checkout.mkdir()
    archive = subprocess.Popen(["git", "archive", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE)
    subprocess.run(["tar", "-x", "-C", str(checkout)], stdin=archive.stdout, check=True)
    assert archive.wait(60) == 0
    with entered(path) as root:
        # Packages come from outside, and nothing else does.
        server = Server(root)
        server.follow("Programs and code")
        # The machine's own PostgreSQL may have had the port when this one was installed.
        server.type("sed -i 's/^port = .*/port = 5432/' /etc/postgresql/*/main/postgresql.conf")


@pytest.fixture
def server(path: Path) -> Iterator[Server]:
    with entered(path, own_network=True) as root:
        yield Server(root)


def test_a_server_comes_up_is_lost_and_goes_on(server: Server) -> None:
    server.type("cd /opt/recruitment")
    for heading in ("Database and broker", "Settings and keys", "Services"):
        server.follow(heading)
    assert '"ready": true' in server.follow("TLS")
    server.follow("Another system's read models")
    server.type("recruitment publish --from 0 --group readers")
    token = server.type("recruitment issue_token admin").split()[-1]

    added = [_add(server, token, number) for number in range(5)]
    server.call(f"/candidates/{added[0]}/invite/", token=token, body={}, key="invite")
    _shown_everywhere(server, token, versions=dict.fromkeys(added, 1) | {added[0]: 2})

    server.follow("Backup")
    lost = _add(server, token, 5)
    _shown_everywhere(server, token, versions=dict.fromkeys([*added, lost], 1) | {added[0]: 2})

    told = server.follow("Restore")
    assert re.search(r"^log \S+: epoch \d{8,} begins$", told, re.M)
    assert "All of the log goes to the broker once more" in told
    assert "verified 6 events" in told
    assert "0 different, 0 behind" in told
    until(lambda: server.answers("/readyz"), seconds=120)
    # Acknowledged before the backup: there, and once.
    again = server.call("/candidates/", token=token, body=_candidate(0), key="add 0")
    assert again["id"] == added[0]
    # Its answer was given after it: lost, and done anew when it is asked for again.
    anew = _add(server, token, 6)
    versions = dict.fromkeys([*added, anew], 1) | {added[0]: 2}
    _shown_everywhere(server, token, versions=versions)

    server.call("/candidates/?search=Zebedee", token=token)
    said = "".join(server.log_of(f"recruitment-{name}") for name in ("web", "follow", "publish"))
    assert "Zebedee" not in said
    assert "Zebedee" not in (server.root.path / "var/log/nginx/recruitment.log").read_text()


def _candidate(number: int) -> dict[str, Any]:
    return {"profile": {"name": f"Ann {number}"}, "score": 80}


def _add(server: Server, token: str, number: int) -> str:
    key = f"add {number}"
    return str(server.call("/candidates/", token=token, body=_candidate(number), key=key)["id"])


def _shown_everywhere(server: Server, token: str, *, versions: dict[str, int]) -> None:
    """In the list behind the proxy and in the other system."""

    def shown() -> dict[str, int]:
        listed = server.call("/candidates/?search=ann", token=token)["results"]
        return {one["id"]: one["version"] for one in listed}

    def consumed() -> dict[str, int]:
        pairs = [row.split("|") for row in server.rows_of_the_consumer()]
        return {id: int(version) for id, version in pairs}

    until(lambda: shown() == versions, seconds=120)
    until(lambda: consumed() == versions, seconds=120)
