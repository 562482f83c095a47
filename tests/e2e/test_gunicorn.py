"""Served as in production: by several processes that were forked, with several threads each."""

import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any

import pytest
from django.contrib.auth.models import User

from candidates.models import CandidateProjection
from eventstore.models import StorageEvent
from recruitment.models import Scope
from recruitment.tokens import issue
from tests.processes import running, until

pytestmark = pytest.mark.django_db(transaction=True)
URL = "/api/v1/candidates/"
WRITERS, ROUNDS = 6, 4


@pytest.fixture(params=["sync", "gthread", "as deployed"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    threads = "3" if request.param == "gthread" else "1"
    options: tuple[str, ...] = ("--preload", "--threads", threads, "--worker-class", request.param)
    if request.param == "as deployed":
        options = ("--config", "recruitment/deploy/gunicorn_conf.py")
    with running(
        *("-m", "gunicorn", "--workers", "2", "--no-control-socket", *options),
        *("--bind", f"127.0.0.1:{port}", "recruitment.wsgi:application"),
        DJANGO_SETTINGS_MODULE="recruitment.settings",
    ) as server:

        def answers() -> bool:
            assert server.poll() is None, server.stderr
            with socket.socket() as tried:
                return tried.connect_ex(("127.0.0.1", port)) == 0

        until(answers, seconds=60)
        yield port
        server.terminate()
        server.wait(timeout=60)


def test_no_call_is_lost_among_workers_and_threads(port: int, user_in: Callable[..., User]) -> None:
    _, token = issue(user_in("Recruiters"), scopes=[Scope.READ, Scope.COMMAND])

    def call(method: str, path: str, body: Any = None) -> Any:
        with closing(HTTPConnection("127.0.0.1", port, timeout=60)) as client:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            client.request(method, path, None if body is None else json.dumps(body), headers)
            answer = client.getresponse()
            found = json.loads(answer.read())
            assert answer.status in (200, 201), found
            return found

    def work(writer: int) -> None:
        for number in range(ROUNDS):
            name = {"name": f"Writer {writer}, {number}"}
            id = call("POST", URL, {"profile": name, "score": 80})["id"]
            assert call("GET", f"{URL}{id}/")["profile"] == name
            call("POST", f"{URL}{id}/invite/", {})
            shown = call("GET", f"{URL}{id}/")
            assert (shown["status"], shown["version"]) == ("INVITED", 2)
            assert len(call("GET", f"{URL}?page_size=5")["results"]) <= 5

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    assert CandidateProjection.objects.filter(version=2).count() == WRITERS * ROUNDS
    assert StorageEvent.objects.count() == 2 * WRITERS * ROUNDS
