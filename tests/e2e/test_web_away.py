"""Web processes over a database that goes away: what they answer, and that nothing is lost."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from uuid import uuid4

import pytest
from django.db import connection

from tests.eventstore.test_away import OUTAGES, Site, is_whole, server, site, template
from tests.processes import until
from tests.proxy import Proxy
from tests.serving import Server, served

__all__ = ["server", "site", "template"]

pytestmark = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="These have a PostgreSQL of their own: once is enough."
)
URL = "/api/v1/candidates/"
NEW = {"profile": {"name": "Ann"}, "score": 80}
CODES = {
    "database_unavailable",
    "database_read_only",
    "database_busy",
}


class Load:
    """Recruiters who send a command again until it is answered, and count those that are."""

    def __init__(self, web: Server) -> None:
        self._web = web
        self.acknowledged: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self._over = Event()

    def __enter__(self) -> "Load":
        self._pool = ThreadPoolExecutor(3)
        self._work = [self._pool.submit(self._run) for _ in range(3)]
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._pool.shutdown()
        for one in self._work:
            one.result()

    def _run(self) -> None:
        while not self._over.is_set():
            key = str(uuid4())
            while (answer := self._web.call("POST", URL, NEW, key=key)) is None or (
                answer.status == 503
            ):
                if answer is not None:
                    problem = answer.json()
                    assert answer.headers["Content-Type"] == "application/problem+json"
                    self.refused.append((problem["code"], answer.headers["Retry-After"]))
                self._over.wait(0.1)
            assert answer.status in (200, 201), answer.body
            self.acknowledged.append(answer.json()["id"])


@pytest.fixture
def web(site: Site) -> Iterator[Server]:
    with served({**site.environment, "EVENT_DELIVERY": "on_commit"}) as web:
        yield web


@pytest.mark.parametrize("outage", OUTAGES)
def test_recruiters_go_on_over_an_outage(
    site: Site, web: Server, outage: Callable[[Site], None]
) -> None:
    with Load(web) as load:
        until(lambda: len(load.acknowledged) >= 5, seconds=60)
        outage(site)
        before = len(load.acknowledged)
        until(lambda: len(load.acknowledged) >= before + 5, seconds=60)
    assert is_whole(site, load.acknowledged)
    assert load.refused
    assert {code for code, _ in load.refused} <= CODES
    assert all(int(seconds) > 0 for _, seconds in load.refused)

    def all_shown() -> bool:
        # What a delivery missed is brought behind the next command.
        answer = web.call("POST", URL, NEW)
        assert answer is not None
        assert answer.status == 201
        return site.shown() == site.events()

    until(all_shown, seconds=60)


def test_health_is_answered_whatever_becomes_of_the_database(site: Site) -> None:
    """Without a bound of their own these would wait for ten minutes."""
    with Proxy("127.0.0.1", site.server.port) as proxy:
        environment = {**site.through(proxy), "DATABASE_CONNECT_TIMEOUT": "600"}
        with served(environment, workers=1, threads=8) as web:
            assert web.call("GET", "/readyz").status == 200  # type: ignore[union-attr]
            proxy.cut()
            for path in ("/healthz", "/readyz", "/readyz?projections=1", "/readyz", "/healthz"):
                answer = web.call("GET", path)
                assert answer is not None
                if path == "/healthz":
                    assert answer.status == 200
                else:
                    assert answer.status == 503
                    assert answer.json()["problems"] == ["The database does not answer."]
            proxy.mend()
            until(lambda: web.call("GET", "/readyz").status == 200)  # type: ignore[union-attr]
