"""Which log this is, so that who reads several never takes one for another.

A log that is restored from a backup forks: what others hold of it is not what it says. So it has an
epoch, too, which is another one after each restore, and the place where it is, so that a copy does
not speak for the first.
"""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from django.db import connection, transaction

from eventstore.domain.exceptions import AnotherLog, LogInAnotherPlace
from eventstore.infrastructure.driver import TABLE
from eventstore.models import LogIdentity, StorageEvent

_BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
_PLACE = f"""
    SELECT (SELECT system_identifier FROM pg_control_system()),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        to_regclass('{TABLE}')::oid"""


class Identity(NamedTuple):
    log_id: UUID
    epoch: int


def identity() -> Identity:
    """Minted when it is first asked for; of several who ask at that moment, all get the same."""
    return _identity_or(uuid4)


def log_id() -> UUID:
    return identity().log_id


def accept_log(source: UUID, *, read_only: bool) -> None:
    """Messages of this log may feed the read models: of this system's own, or of the first met.

    `read_only` says that no command is taken here. Raises AnotherLog.
    """
    known = LogIdentity.objects.filter(pk=LogIdentity.ONLY).first()
    if known is None and not StorageEvent.objects.exists():
        if not read_only:
            reason = "this system takes commands, so its log would be another. Set READ_ONLY=true."
            raise AnotherLog(source=source, reason=reason)
        pinned = _identity_or(lambda: source).log_id
    else:
        pinned = known.log_id if known else log_id()
    if pinned != source:
        reason = f"the read models here are built from the log {pinned}."
        raise AnotherLog(source=source, reason=reason)


def check_place() -> None:
    """For who speaks to a broker, before it does. Raises LogInAnotherPlace."""
    known, here = LogIdentity.objects.filter(pk=LogIdentity.ONLY).first(), place()
    if known and known.place and here and known.place != here:
        raise LogInAnotherPlace(kept=known.place, here=here)


def settle() -> Identity:
    """The log belongs where it is now, and nowhere else. Returns what it is known by."""
    identity()
    LogIdentity.objects.update(place=place())
    return identity()


def become_another() -> Identity:
    """A log with an id of its own."""
    identity()
    LogIdentity.objects.update(log_id=uuid4(), place=place())
    return identity()


def next_epoch(*, now: datetime) -> Identity:
    """After a restore.

    A backup may be restored twice, and knows nothing of the first time. So epochs are not counted,
    but are the seconds since a day in the past: one that was given before is not given again.
    """
    identity()
    with transaction.atomic():
        kept = LogIdentity.objects.select_for_update().get()
        kept.epoch = max(kept.epoch + 1, int((now - _BEGINNING).total_seconds()))
        kept.place = place()
        kept.save()
    return Identity(kept.log_id, kept.epoch)


def place() -> str:
    """What no copy shares with this database, and what stays where it is restarted or fails over.

    A dump that is restored makes another table, another database, or a server with another number;
    a file that is put back is another one. Empty for a database in memory.
    """
    if connection.vendor == "sqlite":
        try:
            file = os.stat(connection.settings_dict["NAME"])
        except OSError:
            return ""
        return f"device {file.st_dev}, inode {file.st_ino}"
    with connection.cursor() as cursor:
        cursor.execute(_PLACE)
        system, database, table = cursor.fetchone()
    return f"system {system}, database {database}, table {table}"


def _identity_or(log_id: Callable[[], UUID]) -> Identity:
    kept = LogIdentity.objects.filter(pk=LogIdentity.ONLY).first()
    if kept is None:
        fresh = {"log_id": log_id(), "place": place()}
        kept, _ = LogIdentity.objects.get_or_create(pk=LogIdentity.ONLY, defaults=fresh)
    return Identity(kept.log_id, kept.epoch)
