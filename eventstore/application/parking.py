"""Streams that a projection failed on: what is remembered of the failure, and how often to retry.

A projection's other streams go on, and so do other projections; what comes behind the event that
failed waits in the log.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from traceback import walk_tb
from typing import NamedTuple
from uuid import UUID

from eventstore.application.folding import FoldedStream, Occurrence, Projector, fold
from eventstore.domain.exceptions import BrokenStream

DELAYS = (timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1), timedelta(minutes=10))
"""Between one attempt and the next. Behind the last of them a person has to look."""
LONGEST_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedStream:
    projection: str
    stream_id: UUID
    version: int
    """Of the event that the projection failed on. Its rows show the one before."""
    event_type: str
    error: str
    """See `described`."""
    attempts: int
    parked_at: datetime
    """Of the first attempt."""
    retry_at: datetime | None
    """None: not by itself any more."""


class Failure(NamedTuple):
    """A projector raised on an event."""

    version: int
    event_type: str
    error: Exception


def fold_as_far(
    projector: Projector, stream: Iterable[Occurrence]
) -> tuple[FoldedStream, Failure | None]:
    """The rows as far as the projector gets: those before the event that it fails on, if any.

    Raises MemoryError, which says nothing of the event.
    """
    read: list[Occurrence] = []

    def noted() -> Iterator[Occurrence]:
        for occurrence in stream:
            read.append(occurrence)
            yield occurrence

    try:
        return fold(projector, noted()), None
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  # a projector may raise anything; it is parked
        *before, failing = read
        failure = Failure(failing.version, type(failing.event).event_type, error)
        return fold(projector, before), failure


def retry_at(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts, at least one."""
    return now + DELAYS[attempts - 1] if attempts <= len(DELAYS) else None


def described(error: BaseException) -> str:
    """`Class at module:line`. Never the error's text, which may quote somebody's data.

    A broken stream is described by its text, which quotes nothing.
    """
    if isinstance(error, BrokenStream):
        return f"{type(error).__qualname__}: {error}"[:LONGEST_ERROR]
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
    places = [
        f" at {frame.f_globals.get('__name__')}:{line}"
        for frame, line in walk_tb(error.__traceback__)
    ]
    return f"{module}{kind.__qualname__}{''.join(places[-1:])}"[:LONGEST_ERROR]
