"""Declares a wrapping key lost, so that what it wrapped is gone by a decision and not by accident.

Until then every reader stops before what it cannot read, since the key may only be misplaced.
Afterwards the streams' keys are tombstones, as after an erasure, and an event in each stream says
why.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from eventstore.application.commands import CommandContext
from eventstore.application.ports import EventBatch, EventPublisher
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.domain.exceptions import BatchConflict, InvalidValue, NotPermitted
from eventstore.domain.lost_keys import KeyDeclaredLost

PERMISSION = "eventstore.declare_key_lost"
CHUNK = 500
"""Streams in one transaction: half a second, for SQLite keeps all writers waiting meanwhile."""
LONGEST_REASON = 500
ATTEMPTS = 50
"""At a chunk in which others append to one of the streams."""


class WrappedKeys(Protocol):
    """What is wrapped by one wrapping key."""

    def some(self, *, limit: int) -> Mapping[UUID, str]:
        """Streams whose key it wraps, with their type."""

    def bury(self, stream_ids: Mapping[UUID, str]) -> set[UUID]:
        """Put a tombstone in place of those that it still wraps, and return their streams."""

    def bury_secrets(self) -> int:
        """Put a tombstone in place of each secret that it wraps. Returns how many."""


@dataclass(eq=False, kw_only=True)
class NotLost(Exception):
    """The key is configured, or wraps nothing that is stored."""

    fingerprint: str
    reason: str

    def __str__(self) -> str:
        return f"The wrapping key {self.fingerprint} {self.reason}"


class LostKey:
    """`keep` does its work in one transaction, in which other batches keep off the streams."""

    def __init__(
        self,
        fingerprint: str,
        *,
        keys: WrappedKeys,
        begin: Callable[[], EventBatch],
        keep: Callable[..., list[RecordedEvent]],
        publisher: EventPublisher,
    ) -> None:
        self._fingerprint = fingerprint
        self._keys = keys
        self._begin = begin
        self._keep = keep
        self._publisher = publisher

    def declare(self, reason: str, context: CommandContext) -> Iterator[int]:
        """Gives the number of streams that it was declared in, chunk by chunk.

        May be killed and begun again: each stream gets its tombstone together with its event.

        Raises NotPermitted, InvalidValue for a reason that says nothing or too much, and
        BatchConflict where others are always faster.
        """
        if not context.allows(PERMISSION):
            raise NotPermitted(permission=PERMISSION)
        reason = reason.strip()
        if not 0 < len(reason) <= LONGEST_REASON:
            detail = f"A reason has 1 to {LONGEST_REASON} characters."
            rule = "too_long" if reason else "blank"
            raise InvalidValue(pointer="/reason", rule=rule, detail=detail)
        event = KeyDeclaredLost(fingerprint=self._fingerprint, reason=reason)
        metadata = Metadata(actor=context.actor, door=context.door, extra=context.extra)
        self._keep(lambda: self._keys.bury_secrets() and [])
        attempt = 0
        while streams := self._keys.some(limit=CHUNK):
            try:
                recorded = self._keep(
                    lambda streams=streams: self._buried(streams, event, metadata, context),
                    streams=list(streams),
                )
            except BatchConflict:
                attempt += 1
                if attempt == ATTEMPTS:
                    raise
                continue
            attempt = 0
            yield len(recorded)

    def _buried(
        self,
        streams: Mapping[UUID, str],
        event: KeyDeclaredLost,
        metadata: Metadata,
        context: CommandContext,
    ) -> list[RecordedEvent]:
        buried = sorted(self._keys.bury(streams))
        batch = self._begin()
        batch.fetch(buried)
        for stream_id in buried:
            batch.append(
                streams[stream_id],
                stream_id,
                [event],
                expected=batch.head(stream_id),
                metadata=metadata,
                correlation_id=context.correlation_id,
            )
        recorded = batch.store()
        for one in recorded:
            self._publisher.publish([one])
        return recorded
