"""Notices that the server has frozen, and that a pooler stands between it and this process."""

from collections.abc import Generator
from functools import cached_property
from time import monotonic
from types import SimpleNamespace
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.postgresql import base
from psycopg.conninfo import make_conninfo, timeout_from_conninfo

POOLER = (
    "Between this process and PostgreSQL stands a pooler, PgBouncer or the like, which takes "
    "sessions apart: locks, prepared statements and settings of a session do not hold. Name the "
    "server itself in DATABASE_URL; DATABASE_POOL keeps connections here."
)
_REFUSED_BY_POOLER = "unsupported startup parameter"


class WatchedConnection(psycopg.Connection[Any]):
    """Waits as long as a statement takes, on a server that answers others meanwhile.

    A frozen server keeps its connections open and says nothing. So where an answer is not there
    within `connect_timeout`, a second connection is tried; where that times out too, this one
    fails. A slow statement is never taken for a frozen server.
    """

    def wait(self, gen: Any, *args: Any, **options: Any) -> Any:
        return super().wait(self._watched(gen), *args, **options)

    def _watched(self, gen: Any) -> Generator[Any, Any, Any]:
        try:
            state, since = next(gen), monotonic()
            while True:
                ready = yield state
                if not ready and monotonic() - since >= self._patience:
                    self._ask_server()
                    since = monotonic()
                state = gen.send(ready)
        except StopIteration as done:
            return done.value

    @cached_property
    def _patience(self) -> int:
        """Seconds. Looked up when something is waited for, which most statements are not."""
        return timeout_from_conninfo(dict(self.info.get_parameters()))

    def _ask_server(self) -> None:
        known = make_conninfo(**self.info.get_parameters(), password=self.info.password)
        try:
            psycopg.connect(known).close()
        except psycopg.errors.ConnectionTimeout:
            self.pgconn.finish()
            raise psycopg.OperationalError("the server does not answer any more") from None
        except psycopg.Error:
            # A refusal is an answer: the server is there, and at work on the statement.
            return


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, with connections that are watched, and refused where a pooler made them."""

    Database: Any = SimpleNamespace(**{**vars(psycopg), "connect": WatchedConnection.connect})

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError as error:
            if _REFUSED_BY_POOLER in str(error):
                raise ImproperlyConfigured(POOLER) from error
            raise

    def _configure_connection(self, connection: Any) -> bool:
        """Called once for each connection to the server, by the pool too."""
        (pid,) = connection.execute("SELECT pg_backend_pid()").fetchone()
        if pid != connection.info.backend_pid:
            raise ImproperlyConfigured(POOLER)
        changed: bool = super()._configure_connection(connection)  # type: ignore[misc]
        return changed
