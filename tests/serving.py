"""gunicorn on a database of a test's own, and a client that says what it was answered."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from socket import create_connection
from threading import Thread
from typing import Any

from tests.postgresql_cluster import free_port
from tests.processes import run, running, until

TOKEN = """
from django.contrib.auth.models import User
from recruitment.tokens import issue
print(issue(User.objects.create_superuser("rita"))[1])
"""


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Server:
    port: int
    token: str
    log: list[str] = field(default_factory=list)

    def call(
        self, method: str, path: str, body: Any = None, *, key: str = "", timeout: float = 60
    ) -> Answer | None:
        """None where the server is not there, or breaks off."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        if key:
            headers["Idempotency-Key"] = key
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=timeout)) as client:
            try:
                client.request(method, path, None if body is None else json.dumps(body), headers)
                answer = client.getresponse()
                return Answer(answer.status, dict(answer.getheaders()), answer.read())
            except (OSError, HTTPException):
                return None


@contextmanager
def served(
    environment: dict[str, str], *, workers: int = 2, threads: int = 4, token: str | None = None
) -> Iterator[Server]:
    server = Server(free_port(), run(TOKEN, **environment).strip() if token is None else token)
    with running(
        *("-m", "gunicorn", "--workers", str(workers), "--threads", str(threads)),
        *("--worker-class", "gthread", "--no-control-socket"),
        *("--bind", f"127.0.0.1:{server.port}", "recruitment.wsgi:application"),
        **{**environment, "DJANGO_SETTINGS_MODULE": "recruitment.settings"},
    ) as process:
        assert process.stderr is not None
        errors = process.stderr
        # All the time: a pipe that is full would hold the server up.
        Thread(target=lambda: server.log.extend(errors), daemon=True).start()

        def answers() -> bool:
            assert process.poll() is None, server.log
            try:
                create_connection(("127.0.0.1", server.port), 1).close()
            except OSError:
                return False
            return True

        until(answers, seconds=60)
        yield server
        process.terminate()
        process.wait(timeout=90)
