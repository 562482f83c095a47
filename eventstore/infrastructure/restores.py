"""Makes good what a restore has left behind: what remembers events that the log does not hold."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from eventstore.application.ports import Checkpoints
from eventstore.application.relay import CHECKPOINT, SCHEMA
from eventstore.domain.events import Cursor
from eventstore.domain.exceptions import LogWasRestored
from eventstore.infrastructure import identity
from eventstore.infrastructure.log import cursor_at
from eventstore.infrastructure.verification import forget_unmet_seals
from eventstore.models import LogSeal


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    identity: identity.Identity
    stale: Sequence[str]
    """Projections whose rows tell of events that the log does not hold."""
    forgotten: Mapping[str, int]
    """What else remembered such events: how much of it was thrown away."""
    seals: Sequence[LogSeal]
    """Those that the log does not bear out, which are gone."""


def make_good(
    projections: Sequence[str],
    *,
    memories: Mapping[str, Callable[[], int]],
    checkpoints: Checkpoints,
    now: datetime,
) -> Restored:
    """The log is in its next epoch, and all of it goes to the broker anew."""
    seals = forget_unmet_seals()
    with transaction.atomic():
        minted = identity.next_epoch(now=now)
        kept = checkpoints.all()
        stale = [name for name in projections if name in kept and not holds(kept[name].cursor)]
        forgotten = {
            name: forget()
            for name, forget in memories.items()
            if name in kept and not holds(kept[name].cursor)
        }
        for name in forgotten:
            checkpoints.replace(name, position=0, schema=1)
        relay_anew(checkpoints, minted.epoch)
    return Restored(identity=minted, stale=stale, forgotten=forgotten, seals=seals)


def relay_anew(checkpoints: Checkpoints, epoch: int) -> None:
    checkpoints.start(CHECKPOINT, schema=SCHEMA)
    checkpoints.begin(CHECKPOINT, epoch=epoch)


def holds(cursor: Cursor) -> bool:
    """Whether the log has the event that somebody has read last."""
    there = cursor_at(connection, cursor.position)
    return cursor.hash is None or there.hash == cursor.hash


def check_memory(checkpoints: Checkpoints, name: str) -> None:
    """Raises LogWasRestored where what is remembered under this name is not what the log holds."""
    kept = checkpoints.all().get(name)
    if kept is not None and not holds(kept.cursor):
        raise LogWasRestored(after=kept.position)


def remember(checkpoints: Checkpoints, name: str, cursor: Cursor) -> None:
    """What is remembered under this name in the caller's transaction goes as far as this event."""
    checkpoints.start(name, schema=1)
    checkpoints.advance(name, cursor)
