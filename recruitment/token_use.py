"""Keeps when each token was used last, without holding up whoever uses it."""

from datetime import datetime, timedelta

from django.db import connection
from knox.models import AuthToken

from recruitment.brief_writes import written_briefly
from recruitment.models import TokenUse

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
    """Stores that this token, which `token_lookup` has found, is used now."""
    use: TokenUse | None = getattr(token, "use", None)
    if use is not None and use.used_at > now - SAID_EVERY:
        return
    if _paused_until is not None and now < _paused_until:
        return
    if not written_briefly("When a token was used last", lambda: _store(token, now)):
        _pause(now)


def _store(token: AuthToken, now: datetime) -> None:
    adapt = connection.ops.adapt_datetimefield_value
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [token.digest, adapt(now), adapt(now - SAID_EVERY)])


def _pause(now: datetime) -> None:
    global _paused_until
    _paused_until = now + PAUSE
