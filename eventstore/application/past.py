"""A stream as it was: by business time, by what the log knew, or at a version."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, assert_never

from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import DidNotExistYet, InvalidValue, NoSuchVersion


@dataclass(frozen=True, slots=True)
class AsOf:
    """What had happened by then, whenever it was written down."""

    at: datetime


@dataclass(frozen=True, slots=True)
class KnownAt:
    """What the log had been told by then, whenever it had happened."""

    at: datetime


@dataclass(frozen=True, slots=True)
class AtVersion:
    version: int


PastTime: TypeAlias = AsOf | KnownAt
Moment: TypeAlias = PastTime | AtVersion


def past_of(
    history: Sequence[RecordedEvent], moment: Moment, *, now: datetime
) -> Sequence[RecordedEvent]:
    """The events that count at that moment, at least one. `history` is all of one stream.

    They are its beginning, since neither time goes back within a stream.

    Raises DidNotExistYet before the first of them, NoSuchVersion behind the last, and InvalidValue
    for a time after `now`: what will be then nobody knows, and an answer today would be another
    tomorrow.
    """
    match moment:
        case AtVersion(version):
            if version > history[-1].version:
                raise NoSuchVersion(
                    stream_type=history[0].stream_type,
                    stream_id=history[0].stream_id,
                    version=version,
                    newest_version=history[-1].version,
                )
            return history[:version]
        case AsOf(at):
            require_past(moment, now=now)
            past = [recorded for recorded in history if recorded.occurred_at <= at]
            first_at = history[0].occurred_at
        case KnownAt(at):
            require_past(moment, now=now)
            past = [recorded for recorded in history if recorded.recorded_at <= at]
            first_at = history[0].recorded_at
        case _:
            assert_never(moment)
    if not past:
        raise DidNotExistYet(
            stream_type=history[0].stream_type,
            stream_id=history[0].stream_id,
            asked_for=at,
            first_event_at=first_at,
        )
    return past


def require_past(moment: PastTime, *, now: datetime) -> None:
    """Raises InvalidValue for a time after `now`."""
    if moment.at > now:
        pointer = "/as_of" if isinstance(moment, AsOf) else "/known_at"
        detail = f"{moment.at.isoformat()} lies in the future; it is {now.isoformat()}."
        raise InvalidValue(pointer=pointer, rule="in_future", detail=detail)
