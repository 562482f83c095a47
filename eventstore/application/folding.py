"""What events do to the rows of a read model, and how that adds up."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable
from uuid import UUID

from eventstore.domain.events import DomainEvent
from eventstore.domain.lost_keys import KeyDeclaredLost

Columns: TypeAlias = Mapping[str, object]
"""Values by the name of their column."""


class NextRow(NamedTuple):
    """An event that closes the stream's newest row and opens another behind it."""

    columns: Columns
    """Of the row that is opened. What they do not name is taken over from the row before."""
    closing: Columns = {}
    """Set on the row before."""
    marking: Columns = {}
    """Set on every row that was opened at version `marked_from` or later, but not on the new.

    Only where there is no value yet: a mark that was set before stays.
    """
    marked_from: int = 0


Changes: TypeAlias = Columns | NextRow
"""What one event does: columns overwrite the newest row, or make the first."""


class Provenance(Protocol):
    """Who recorded an event, for whom, and through which door. Every Metadata is one."""

    @property
    def actor(self) -> str: ...
    @property
    def door(self) -> str: ...
    @property
    def on_behalf_of(self) -> str | None: ...
    @property
    def causation_id(self) -> UUID | None: ...
    @property
    def extra(self) -> Mapping[str, Any]: ...


class Occurrence(Protocol):
    """What a fold may look at. Every RecordedEvent is one."""

    @property
    def event(self) -> DomainEvent: ...
    @property
    def version(self) -> int: ...
    @property
    def position(self) -> int: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def recorded_at(self) -> datetime: ...
    @property
    def metadata(self) -> Provenance: ...


class Projector(Protocol):
    """Folds the events of one kind of stream into rows of that stream: often one, or a list."""

    @property
    def name(self) -> str: ...

    @property
    def stream_type(self) -> str: ...

    @property
    def schema(self) -> int:
        """Counts up when the columns, or what they mean, change: the rows are stale until then."""

    def changes(self, recorded: Occurrence) -> Changes:
        """What this event sets. Pure; needs no earlier event and no row.

        Is not asked about KeyDeclaredLost, the event store's own: see `Forgetting`.
        """


@runtime_checkable
class Forgetting(Protocol):
    """A projector with personal columns. Without this the event that empties them sets nothing."""

    def key_lost(self, recorded: Occurrence) -> Changes:
        """What KeyDeclaredLost sets: what is left of a stream whose personal data is gone."""


def _changes(projector: Projector, recorded: Occurrence) -> Changes:
    if type(recorded.event) is not KeyDeclaredLost:
        return projector.changes(recorded)
    return projector.key_lost(recorded) if isinstance(projector, Forgetting) else {}


Rows: TypeAlias = list[tuple[int, dict[str, object]]]
"""`(version of the event that opened it, columns)`, the oldest first."""


class FoldedStream(NamedTuple):
    """The rows of one stream, as they are when it has been folded up to `version`."""

    version: int
    rows: Rows


def fold(projector: Projector, stream: Iterable[Occurrence]) -> FoldedStream:
    """From the stream's first event on, in version order; no rows where there are no events."""
    rows: Rows = []
    version = 0
    newest: dict[str, object] | None = None
    changes_of = projector.changes
    for recorded in stream:
        version = recorded.version
        # Written out: a call for each event would be felt in a replay.
        if type(recorded.event) is KeyDeclaredLost:
            changes = _changes(projector, recorded)
        else:
            changes = changes_of(recorded)
        if isinstance(changes, NextRow):
            newest = _opened(changes, version, rows)
        elif newest is None:
            newest = {**changes}
            rows.append((1, newest))
        else:
            newest.update(changes)
    return FoldedStream(version, rows)


def advanced(stream: FoldedStream, version: int, changes: Changes) -> FoldedStream:
    """The stream after one more step; the given one stays as it is."""
    rows = [(opened, {**columns}) for opened, columns in stream.rows]
    if isinstance(changes, NextRow):
        _opened(changes, version, rows)
    elif rows:
        rows[-1][1].update(changes)
    else:
        rows.append((1, {**changes}))
    return FoldedStream(version, rows)


def _opened(changes: NextRow, version: int, rows: Rows) -> dict[str, object]:
    """The row that is opened, behind those that there are."""
    columns, closing, marking, marked_from = changes
    if not rows:
        opened = {**columns}
    else:
        before = rows[-1][1]
        opened = {**before, **columns}
        before.update(closing)
        if marking:
            for number, marked in rows:
                if number >= marked_from:
                    marked.update({c: v for c, v in marking.items() if marked.get(c) is None})
    rows.append((version, opened))
    return opened


class Step(NamedTuple):
    """From the rows of one version to those of a later one."""

    before: int
    after: int
    changes: Changes


def steps(projector: Projector, events: Iterable[Occurrence]) -> Iterator[Step]:
    """Events that only overwrite are taken together."""
    merged: dict[str, object] | None = None
    before = after = 0
    for recorded in events:
        changes = _changes(projector, recorded)
        if isinstance(changes, NextRow):
            if merged is not None:
                yield Step(before, after, merged)
                merged = None
            yield Step(recorded.version - 1, recorded.version, changes)
        elif merged is None:
            before, after, merged = recorded.version - 1, recorded.version, dict(changes)
        else:
            after = recorded.version
            merged.update(changes)
    if merged is not None:
        yield Step(before, after, merged)
