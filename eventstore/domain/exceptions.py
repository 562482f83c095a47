"""Why something was refused. Each error carries its data; the edges translate them."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID


def printable(name: str) -> str:
    """Puts text from a stored row on one line, without control characters."""
    return name if name.isprintable() else repr(name)


@dataclass(eq=False, kw_only=True)
class DomainError(Exception):
    """A rule said no. `code` is stable: clients may branch on it."""

    code: ClassVar[str] = "refused"

    def __str__(self) -> str:
        return (self.__doc__ or self.code).strip().splitlines()[0]


@dataclass(eq=False, kw_only=True)
class InvalidValue(DomainError):
    """A value is not acceptable whatever the state is."""

    code: ClassVar[str] = "invalid"
    pointer: str
    """Where, as a JSON Pointer (RFC 6901), relative to the command or event."""
    rule: str
    """Stable code of the rule that was broken."""
    detail: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.detail}"

    def under(self, key: str) -> "InvalidValue":
        """The same error, seen from one level further out."""
        shown = key.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
        step = shown[:100].replace("~", "~0").replace("/", "~1")
        return InvalidValue(pointer=f"/{step}{self.pointer}", rule=self.rule, detail=self.detail)


@dataclass(eq=False, kw_only=True)
class NotPermitted(DomainError):
    """The caller lacks a permission."""

    code: ClassVar[str] = "permission_denied"
    permission: str

    def __str__(self) -> str:
        return f"This needs the permission {self.permission}."


@dataclass(eq=False, kw_only=True)
class AggregateNotFound(DomainError):
    """No event was ever stored for this id."""

    code: ClassVar[str] = "not_found"
    stream_type: str
    stream_id: UUID

    def __str__(self) -> str:
        return f"There is no {self.stream_type} {self.stream_id}."


@dataclass(eq=False, kw_only=True)
class DidNotExistYet(AggregateNotFound):
    """The past was asked for of a time before the first event."""

    code: ClassVar[str] = "did_not_exist_yet"
    asked_for: datetime
    first_event_at: datetime
    """By the same clock as the question: business time or recorded time."""

    def __str__(self) -> str:
        asked_for, first = self.asked_for.isoformat(), self.first_event_at.isoformat()
        return (
            f"{self.stream_type.capitalize()} {self.stream_id} did not exist yet at {asked_for}: "
            f"its first event is of {first}."
        )


@dataclass(eq=False, kw_only=True)
class NoSuchVersion(AggregateNotFound):
    """The past was asked for at a version that is still to come."""

    code: ClassVar[str] = "no_such_version"
    version: int
    newest_version: int

    def __str__(self) -> str:
        return (
            f"{self.stream_type.capitalize()} {self.stream_id} has no version {self.version} yet: "
            f"its newest is {self.newest_version}."
        )


@dataclass(eq=False, kw_only=True)
class CommandReused(DomainError):
    """The id of an earlier command came with other content."""

    code: ClassVar[str] = "command_reused"
    command_id: UUID

    def __str__(self) -> str:
        return "This key was used before for a command with other content."


@dataclass(eq=False, kw_only=True)
class OccurredInFuture(DomainError):
    """The stated time has not come yet."""

    code: ClassVar[str] = "occurred_in_future"
    stated: datetime
    now: datetime

    def __str__(self) -> str:
        return f"{self.stated.isoformat()} lies in the future."


@dataclass(eq=False, kw_only=True)
class OccurredOutOfOrder(DomainError):
    """The stated time lies before the stream's newest event."""

    code: ClassVar[str] = "occurred_out_of_order"
    stated: datetime
    predecessor: datetime

    def __str__(self) -> str:
        stated, newest = self.stated.isoformat(), self.predecessor.isoformat()
        return f"{stated} lies before the newest event, which occurred at {newest}."


@dataclass(eq=False, kw_only=True)
class PersonalDataErased(DomainError):
    """The personal data of this stream was erased: nothing personal can be added to it."""

    code: ClassVar[str] = "personal_data_erased"
    stream_id: UUID


@dataclass(eq=False, kw_only=True)
class ReadOnly(DomainError):
    """This system takes no commands at the moment: it only shows what is stored."""

    code: ClassVar[str] = "read_only"


@dataclass(eq=False, kw_only=True)
class LogNotHere(DomainError):
    """The log is in another system, whose messages feed this one: ask there."""

    code: ClassVar[str] = "not_here"


@dataclass(eq=False, kw_only=True)
class KeyFault(Exception):
    """A wrapping key is not what the log needs. No rule says no: a person has to see to the key.

    Nothing is stored.
    """

    code: ClassVar[str] = "key_fault"


@dataclass(eq=False, kw_only=True)
class KeyNotAdopted(KeyFault):
    """The first of the configured wrapping keys may not write to this log."""

    code: ClassVar[str] = "key_not_adopted"
    fingerprint: str
    """Of the key, as `manage.py new_key` showed it."""

    def __str__(self) -> str:
        return (
            f"Nothing is stored: the wrapping key {self.fingerprint}, the first of those "
            "configured, has never been adopted for this log. It may be mistyped; if it is meant, "
            "an operator runs `manage.py rotate_keys --adopt`."
        )


@dataclass(eq=False, kw_only=True)
class StreamKeyUnavailable(KeyFault):
    """The key under which the stream's personal data stands cannot be unwrapped."""

    code: ClassVar[str] = "key_unavailable"
    stream_id: UUID
    reason: str

    def __str__(self) -> str:
        return (
            f"Nothing is stored: the personal data of stream {self.stream_id} cannot be read or "
            f"added to, since {self.reason}."
        )


@dataclass(eq=False, kw_only=True)
class ConcurrencyError(DomainError):
    """The stream is not at the version that the append expected."""

    code: ClassVar[str] = "version_conflict"
    stream_id: UUID
    expected: int | None

    def __str__(self) -> str:
        return f"Stream {self.stream_id} is not at version {self.expected}."


@dataclass(eq=False, kw_only=True)
class BatchConflict(Exception):
    """Another writer was faster on some streams of a batch: nothing of the batch is stored."""

    stream_ids: frozenset[UUID]
    """Those that are not where the batch read them, or whose command was carried out meanwhile."""

    def __str__(self) -> str:
        return f"{len(self.stream_ids)} streams of the batch have events that it has not read."


@dataclass(eq=False, kw_only=True)
class StaleVersion(ConcurrencyError):
    """The caller decided on a version that is no longer the newest.

    `expected` is the newest that was stated; None where what was stated is none.
    """

    code: ClassVar[str] = "stale_version"
    current_version: int
    changed_by: str
    changed_at: datetime
    projected_version: int | None = None
    """What a reader is shown at the moment, where the refusing edge knows it."""

    def __str__(self) -> str:
        stated = "No version" if self.expected is None else f"Version {self.expected}"
        return (
            f"{stated} was stated, but {self.changed_by} "
            f"made it version {self.current_version} at {self.changed_at.isoformat()}."
        )


@dataclass(eq=False, kw_only=True)
class EventAlreadyStored(Exception):
    """An event with this id is in the log: its command was carried out before."""

    event_id: UUID

    def __str__(self) -> str:
        return f"Event {self.event_id} is stored already."


@dataclass(eq=False, kw_only=True)
class UndecodableEvent(Exception):
    """A stored event that this process cannot read: no reader passes it by unseen.

    Its text quotes nothing that the event says.
    """

    code: ClassVar[str] = "unreadable_event"
    stream_id: UUID
    version: int
    event_type: str
    schema_version: int
    event_id: UUID
    position: int
    reason: str

    def __str__(self) -> str:
        return (
            f"Event {self.event_id} at position {self.position}, {printable(self.event_type)} "
            f"version {self.schema_version}: {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class ReadableElsewhere(UndecodableEvent):
    """Another process can read it: nothing is wrong with it, and readers wait before it."""


@dataclass(eq=False, kw_only=True)
class WithoutItsKey(ReadableElsewhere):
    """The key that wraps its stream's key is not configured here."""

    code: ClassVar[str] = "key_missing"


@dataclass(eq=False, kw_only=True)
class StoredByNewerCode(ReadableElsewhere):
    """This code knows no such event type, or no schema version as high: it is too old."""

    code: ClassVar[str] = "newer_event"


@dataclass(eq=False, kw_only=True)
class SnapshotNotAuthentic(Exception):
    """A stored snapshot does not show that this system took it: it was forged, moved or changed."""

    stream_id: UUID
    version: int
    reason: str
    """What is wrong with it, as a predicate."""

    def __str__(self) -> str:
        return f"The snapshot of stream {self.stream_id} at version {self.version} {self.reason}."


@dataclass(eq=False, kw_only=True)
class UndecodableMessage(Exception):
    """A message from another log that this code cannot read; None is what it does not even say.

    Its text quotes nothing that the event says.
    """

    reason: str
    newer: bool = False
    """Whether newer code than this has written it."""
    whole: bool = False
    """Whether the event alone cannot be read, and all that stands around it can."""
    restored: bool = False
    """Whether it is no event at all, and says that the log was restored."""
    epoch: int | None = None
    source: UUID | None = None
    event_id: UUID | None = None
    position: int | None = None
    stream_type: str | None = None
    stream_id: UUID | None = None
    version: int | None = None
    event_type: str | None = None
    schema_version: int | None = None

    def __str__(self) -> str:
        return (
            f"Message of {self.event_type or 'an unknown type'} version {self.schema_version}, "
            f"event {self.version} of stream {self.stream_id}: {self.reason}"
        )


@dataclass(eq=False, kw_only=True)
class AnotherLog(Exception):
    """A message comes from a log that this system's read models are not built from."""

    source: UUID
    reason: str

    def __str__(self) -> str:
        return f"A message comes from the log {self.source}: {self.reason}"


@dataclass(eq=False, kw_only=True)
class LogInAnotherPlace(Exception):
    """The database is not the one in which the log was known to be."""

    kept: str
    here: str

    def __str__(self) -> str:
        return (
            f"The log is in another place ({self.here}) than it was ({self.kept}), so nothing goes "
            "to a broker or comes from one until somebody says what was done: `manage.py "
            "after_restore` where it was restored from a backup, with --moved where it was moved "
            "whole and is nowhere else, with --another-log where it is a copy beside the first."
        )


@dataclass(eq=False, kw_only=True)
class BrokenStream(Exception):
    """What a stream goes on with is not to be had. Its text quotes nothing that an event says."""

    stream_id: UUID
    version: int
    """Of the first event that is not to be had."""
    event_type: str
    """Empty where nobody knows."""


@dataclass(eq=False, kw_only=True)
class UnreadableEvent(BrokenStream):
    """The event is in the log, and this code should be able to decode it."""

    error: UndecodableEvent

    def __str__(self) -> str:
        return str(self.error)


@dataclass(eq=False, kw_only=True)
class EventsMissing(BrokenStream):
    """Messages of later events have come, and these have not."""

    until: int
    """The last version that is missing."""

    def __str__(self) -> str:
        if self.version == self.until:
            return f"event {self.version} never came"
        return f"events {self.version}-{self.until} never came"


@dataclass(eq=False, kw_only=True)
class UnreadableMessage(BrokenStream):
    """The message is there, and this code cannot read it."""

    schema_version: int | None
    event_id: UUID | None
    position: int | None
    reason: str

    def __str__(self) -> str:
        named = f"{self.event_type or 'of no type'} version {self.schema_version}"
        if self.event_id is not None:
            named += f", {self.event_id} at position {self.position}"
        return f"the message of event {self.version}, {named}, cannot be decoded: {self.reason}"


@dataclass(eq=False, kw_only=True)
class MessageOfNewerCode(UnreadableMessage):
    """This code knows no such event type, or no schema version as high: it is too old."""


@dataclass(eq=False, kw_only=True)
class RowsOfNewerCode(Exception):
    """Newer code built the rows of a projection anew: this code would leave columns of it out."""

    projection: str
    stored: int
    known: int

    def __str__(self) -> str:
        return (
            f"The rows of {self.projection} are of schema {self.stored}, and this code is of "
            f"schema {self.known}: newer code built them."
        )


@dataclass(eq=False, kw_only=True)
class LogWasRestored(DomainError):
    """The log does not hold the event that a reader has read at this position."""

    code: ClassVar[str] = "log_was_restored"
    after: int

    def __str__(self) -> str:
        return (
            f"The log does not hold the event that was read at position {self.after}: it was "
            "restored from an older backup, or what was read is another log. `manage.py "
            "after_restore`, where the log is, says what to do; what was made of the events holds "
            "some that are gone, so build that anew, reading from position 0."
        )


@dataclass(eq=False, kw_only=True)
class BarePosition(LogWasRestored):
    """A reader of a log that was restored does not say which event it has read there."""

    def __str__(self) -> str:
        return (
            f"The log was restored from a backup, and position {self.after} alone does not say "
            "which event you have read there: follow `next`, which does. What was made of the "
            "events may hold some that are gone, so build that anew, reading from position 0."
        )


@dataclass(eq=False, kw_only=True)
class CursorBeyondLog(LogWasRestored):
    """A reader says that it has read further than the log goes, and not which event it read."""

    code: ClassVar[str] = "cursor_beyond_log"
    last: int

    def __str__(self) -> str:
        return (
            f"Position {self.after} lies beyond the log, which ends at {self.last}. It comes from "
            "another log, or this one was restored from an older backup: what was fed from it "
            "holds events that are gone, so build that anew, reading from position 0."
        )


@dataclass(eq=False, kw_only=True)
class UnsafeLogRead(Exception):
    """The whole log was asked for where the answer could lack events."""

    reason: str

    def __str__(self) -> str:
        return f"The whole log cannot be read here: {self.reason}"


@dataclass(eq=False, kw_only=True)
class ReadOnlyDatabase(UnsafeLogRead):
    """The log was asked for on a standby, which does not know who is appending."""

    reason: str = "this is a standby, which does not know who is appending."


@dataclass(eq=False, kw_only=True)
class ReplayRunning(Exception):
    """Another replay is at work: there is one at a time."""

    holder: str

    def __str__(self) -> str:
        return f"Another replay is running: {self.holder}."
