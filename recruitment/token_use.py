"""Keeps when each token was used last, without holding up whoever uses it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from knox.models import AuthToken

from recruitment.models import TokenUse

logger = logging.getLogger(__name__)
SAID_EVERY = timedelta(minutes=5)
"""Uses within this time of the one that is stored are not stored: reads stay reads."""
PAUSE = timedelta(minutes=1)
"""After a failure, of whatever token, in this process."""
_UPSERT = (
    "INSERT INTO recruitment_tokenuse AS used (token_id, used_at) VALUES (%s, %s) "
    "ON CONFLICT (token_id) DO UPDATE SET used_at = excluded.used_at WHERE used.used_at <= %s"
)
_paused_until: datetime | None = None


def note_use(token: AuthToken, now: datetime) -> None:
    """Stores that this token, which `token_lookup` has found, is used now.

    A database that is locked or read-only is no reason to refuse a call: the note is left out.
    """
    use: TokenUse | None = getattr(token, "use", None)
    if use is not None and use.used_at > now - SAID_EVERY:
        return
    if _paused_until is not None and now < _paused_until:
        return
    adapt = connection.ops.adapt_datetimefield_value
    try:
        with _waiting_for_nobody(), transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL lock_timeout = '100ms'")
            cursor.execute(_UPSERT, [token.digest, adapt(now), adapt(now - SAID_EVERY)])
    except DatabaseError as error:
        _pause(now)
        reason = str(error).partition("\n")[0]
        logger.warning("When tokens were used is not noted for a minute: %s", reason)


def _pause(now: datetime) -> None:
    global _paused_until
    _paused_until = now + PAUSE


@contextmanager
def _waiting_for_nobody() -> Iterator[None]:
    """SQLite lets a writer wait for the one before it, by default for 20 seconds."""
    if connection.vendor != "sqlite":
        yield
        return
    with connection.cursor() as cursor:
        (kept,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {kept:d}")
