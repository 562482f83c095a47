"""Whether a projection shows what the log says, and who has to look where it does not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from eventstore.application.ports import Checkpoint, NewerMessages
from eventstore.domain.exceptions import LogWasRestored

PATIENCE = timedelta(seconds=15)
"""How long an event may wait, and a follower be silent, before it is somebody's business."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectionStatus:
    name: str
    position: int
    """Of the checkpoint."""
    schema: int
    """That the code has."""
    stored_schema: int
    """That the rows were begun with."""
    parked: int
    """Streams that the projection failed on."""
    lag: int
    """Under `follow` the events behind the checkpoint, else the streams whose rows lack one.

    Streams that are parked are not counted once more. Counted no further than `CAP`.
    """
    waiting_since: datetime | None
    """When the oldest of those events was recorded; None where none waits."""
    seen_at: datetime | None
    """The last heartbeat of a follower."""
    followed: bool
    """Whether this deployment relies on one."""
    waits_for: str
    """What it waits before until newer code runs; empty where it does not."""

    def troubles(self, now: datetime) -> Iterator[str]:
        """What needs a person, in words; nothing where all is well."""
        if self.parked:
            yield _parked(self.name, self.parked)
        late = self.waiting_since is not None and now - self.waiting_since > PATIENCE
        if late and not self.waits_for:
            yield (
                f"{self.name}: an event waits since {self.waiting_since:%Y-%m-%d %H:%M:%S %Z}. "
                "`manage.py follow --once` brings the rows up to the log."
            )
        if self.stored_schema < self.schema:
            yield (
                f"{self.name}: rows are of schema {self.stored_schema}, the code is of "
                f"{self.schema}. Run `manage.py replay`."
            )
        if self.followed and (self.seen_at is None or now - self.seen_at > PATIENCE):
            yield f"{self.name}: {_silent('follower', self.seen_at)}. Start `manage.py follow`."


CAP = 10_000
"""How far a lag is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublisherStatus:
    """Where the relay to the broker stands."""

    position: int
    """Of the last event that the broker has for sure."""
    lag: int
    """The events behind it. Counted no further than `CAP`."""
    waiting_since: datetime | None
    """When the oldest of those events was recorded; None where none waits."""
    seen_at: datetime | None
    """The last heartbeat of a relay."""
    blocked_by: str
    """Why the broker takes no more; empty where it does."""
    waits_for: str
    """What it waits before until newer code runs; empty where it does not."""

    def troubles(self, now: datetime) -> Iterator[str]:
        """What needs a person, in words; nothing where all is well."""
        if self.blocked_by:
            yield f"publisher: {self.blocked_by}. It is tried again and again."
        late = self.waiting_since is not None and now - self.waiting_since > PATIENCE
        if late and not self.waits_for:
            since = f"{self.waiting_since:%Y-%m-%d %H:%M:%S %Z}"
            yield f"publisher: an event waits for the broker since {since}."
        if self.seen_at is None or now - self.seen_at > PATIENCE:
            seen = "none has ever been seen"
            if self.seen_at:
                seen = f"none has been seen since {self.seen_at:%Y-%m-%d %H:%M:%S %Z}"
            yield f"publisher: {seen}. Start `manage.py publish`."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumedProjection:
    """A read model that messages feed. How far their log goes is not known here."""

    name: str
    received: int
    """The highest position that came in a message."""
    schema: int
    """That the code has."""
    stored_schema: int
    """That the rows were begun with."""
    parked: int
    """Streams that the projection failed on, or of which a message never came."""
    waiting: int
    """Messages behind what is parked, or behind a gap."""
    waiting_since: datetime | None
    """When the oldest of those came; None where none waits."""
    seen_at: datetime | None
    """The last heartbeat of a consumer."""
    blocked_by: str
    """Why the broker gives it nothing; empty where it does."""
    newer: int
    """Streams with a message that newer code alone can read."""
    waits_for: str
    """The first such message, or what all of it waits for; empty where nothing is waited for."""
    forked: bool = False
    """Whether the log that it is built from was restored, and nobody has said so yet."""

    def troubles(self, now: datetime) -> Iterator[str]:
        """What needs a person, in words; nothing where all is well."""
        if self.forked:
            yield f"{self.name}: nothing is applied. {LogWasRestored(after=self.received)}"
        if self.parked:
            yield _parked(self.name, self.parked)
        if self.stored_schema < self.schema:
            yield (
                f"{self.name}: rows are of schema {self.stored_schema}, the code is of "
                f"{self.schema}. Build them anew, in an empty database, from the first event on."
            )
        if self.seen_at is None or now - self.seen_at > PATIENCE:
            yield f"{self.name}: {_silent('consumer', self.seen_at)}. Start `manage.py consume`."
        elif self.blocked_by:
            yield f"{self.name}: nothing comes: {self.blocked_by}. It is tried again and again."


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerStatus:
    projections: Sequence[ConsumedProjection]
    strays: int
    """Messages that do not say where they belong."""

    def troubles(self, now: datetime) -> Iterator[str]:
        """What needs a person, in words; nothing where all is well."""
        for projection in self.projections:
            yield from projection.troubles(now)
        if self.strays:
            messages = "message does" if self.strays == 1 else "messages do"
            yield (
                f"{self.strays} {messages} not say where they belong. `manage.py strays retry` "
                "reads them anew after an upgrade, and `discard` throws them away."
            )


def _parked(name: str, count: int) -> str:
    streams = "stream is" if count == 1 else "streams are"
    return (
        f"{name}: {count} {streams} parked. "
        "See `manage.py parked list`, and retry them once the cause is gone."
    )


def warnings(
    kept: Mapping[str, Checkpoint], schemas: Mapping[str, int], newer: Mapping[str, NewerMessages]
) -> Iterator[str]:
    """Names, in words, what waits for an upgrade and needs nothing else.

    `schemas` are those of this code's projections.
    """
    for name, checkpoint in sorted(kept.items()):
        if checkpoint.waits_for:
            yield _waiting(name, checkpoint.waits_for)
        if (stored := checkpoint.schema) > (known := schemas.get(name, stored)):
            yield (
                f"{name}: rows are of schema {stored}, and this code is of {known}: newer code "
                "built them. Upgrade this process too."
            )
    for name, messages in sorted(newer.items()):
        streams = "1 stream" if messages.streams == 1 else f"{messages.streams} streams"
        yield _waiting(f"{streams} of {name}", messages.first)


def _waiting(who: str, what: str) -> str:
    return f"{who}: waiting for the code, or the key, that reads this, and then going on: {what}"


def _silent(who: str, seen_at: datetime | None) -> str:
    if seen_at is None:
        return f"no {who} has ever been seen"
    return f"no {who} has been seen since {seen_at:%Y-%m-%d %H:%M:%S %Z}"
