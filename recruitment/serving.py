"""What a web process asks of its connections, more than other processes do."""

from contextlib import closing, suppress

from django.conf import settings
from django.db import Error, connection, connections

from eventstore.infrastructure.limits import limit


def prepare_connections() -> None:
    """Limits what each waits for. Called before the first is made, and leaves none open.

    Raises ImproperlyConfigured where a pooler stands between here and PostgreSQL. A database that
    does not answer may do so when somebody calls.
    """
    for database in connections.settings.values():
        limit(
            database,
            lock=settings.DATABASE_LOCK_TIMEOUT,
            statement=settings.DATABASE_STATEMENT_TIMEOUT,
        )
    if connection.vendor != "postgresql":
        return
    with closing(connection.copy()) as own, suppress(Error):
        own.ensure_connection()


def pool_connections() -> None:
    """As DATABASE_POOL says, from the next connection on."""
    if not settings.DATABASE_POOL:
        return
    from recruitment.postgresql.base import WatchedConnection

    for database in connections.settings.values():
        database["OPTIONS"]["pool"] = {
            "connection_class": WatchedConnection,
            "min_size": 1,
            "max_size": settings.DATABASE_POOL,
            "timeout": settings.DATABASE_CONNECT_TIMEOUT,
        }
        # Each goes back to the pool with the end of its request.
        database["CONN_MAX_AGE"] = 0
