"""Both ways between DomainEvent and StorageEvent. Nothing else knows the stored format."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, TypeAlias
from uuid import UUID

import msgspec
import uuid_utils.compat as uuid_utils

from eventstore.application.folding import Provenance
from eventstore.application.parking import described
from eventstore.domain.content import (
    EVENT_TYPE_LENGTH,
    LARGEST_SCHEMA,
    MAX_BYTES,
    STREAM_TYPE_LENGTH,
    check_content,
    check_name,
)
from eventstore.domain.events import (
    DomainEvent,
    Metadata,
    RecordedEvent,
    StreamHead,
    event_id_of,
)
from eventstore.domain.exceptions import (
    InvalidValue,
    StoredByNewerCode,
    UndecodableEvent,
    WithoutItsKey,
)
from eventstore.domain.personal import Personal, personal_fields
from eventstore.infrastructure import chain
from eventstore.infrastructure.keys import DataKey, KeyUnavailable, WrappingKeyMissing

Upcaster: TypeAlias = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Pure: the data of version n in, the data of version n + 1 out."""

# Sorted keys and no white space: one text for one value, on every database and in every process.
_canonical = msgspec.json.Encoder(order="sorted")
_METADATA_FIELDS = frozenset(Metadata._fields)


_NO_EXTRA: Mapping[str, Any] = MappingProxyType({})


class _KnownMetadata(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Tells by its failure that there are free keys, or none that there should be."""

    extra: ClassVar = _NO_EXTRA
    actor: str
    door: str
    on_behalf_of: str | None = None
    causation_id: UUID | None = None
    command_digest: str | None = None


_known_metadata = msgspec.json.Decoder(_KnownMetadata)
# A value or key that a decoder repeats in its own words.
_QUOTED = re.compile(r"(?s)((?:enum value|Invalid value|unknown field) )(?:'.*'|`.*?`|\S+)")


_tuple: Callable[..., Any] = tuple.__new__
"""Makes a named tuple in half the time that its own constructor takes."""


class UnreadableFact(Exception):
    """A stored event cannot be read; the caller has its row and names it.

    `reason` quotes nothing that the event says. `newer`: newer code than this has written it.
    `keyless`: the wrapping key that it needs is not configured.
    """

    def __init__(self, reason: str, newer: bool = False, keyless: bool = False) -> None:
        super().__init__(reason, newer, keyless)
        self.reason = reason
        self.newer = newer
        self.keyless = keyless


def unreadable(error: Exception, *, part: str = "") -> UnreadableFact:
    """Turns an error from reading a fact, or a part of its row, into an UnreadableFact.

    An upcaster may raise anything. MemoryError is raised again: it says nothing about the fact.
    """
    match error:
        case MemoryError():
            raise error
        case UnreadableFact():
            return UnreadableFact(part + error.reason, error.newer, error.keyless)
        case KeyUnavailable():
            keyless = isinstance(error, WrappingKeyMissing)
            return UnreadableFact(part + str(error), keyless=keyless)
        case msgspec.MsgspecError() if error.__cause__ is None:
            return UnreadableFact(part + _QUOTED.sub(r"\1…", str(error)))
        case msgspec.MsgspecError(__cause__=Exception() as cause):
            # A class raised `cause` while the decoder made an instance, and the decoder wrapped it.
            return UnreadableFact(part + described(cause))
    return UnreadableFact(part + described(error))


class StorageRow(NamedTuple):
    """A StorageEvent as columns; `position` is the store's. The hash is over all before it."""

    event_id: UUID
    stream_type: str
    stream_id: UUID
    version: int
    event_type: str
    schema_version: int
    data: str
    metadata: str
    personal: bytes | None
    correlation_id: UUID | None
    occurred_at: datetime
    recorded_at: datetime
    hash: bytes = b""


class EventMapper:
    """Knows every event class by its stored name, and how to read what older code stored."""

    def __init__(self) -> None:
        self._classes: dict[str, type[DomainEvent]] = {}
        self._decoders: dict[tuple[str, int], msgspec.json.Decoder[Any]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}
        self._fields: dict[str, list[tuple[str, Personal | None, object]]] = {}
        self._aliases: dict[str, str] = {}

    @property
    def classes(self) -> Mapping[str, type[DomainEvent]]:
        """By the name under which they are stored today."""
        return self._classes

    @property
    def decoders(self) -> Mapping[tuple[str, int], msgspec.json.Decoder[Any]]:
        """By name and version, of today's versions: for events of which nothing is personal."""
        return self._decoders

    @property
    def aliases(self) -> Mapping[str, str]:
        """Names that are no longer written, and today's."""
        return self._aliases

    @property
    def erasing(self) -> frozenset[str]:
        """Names under which events are stored that say that personal data is gone."""
        return self.stored_names(
            name for name, cls in self._classes.items() if cls.erases_personal_data
        )

    def stored_names(self, event_types: Iterable[str]) -> frozenset[str]:
        """These names of today, and every former one under which their events may be stored."""
        wanted = frozenset(event_types)
        return wanted.union(alias for alias, name in self._aliases.items() if name in wanted)

    def register(
        self,
        classes: Iterable[type[DomainEvent]],
        *,
        upcasters: Mapping[tuple[str, int], Upcaster] | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Make classes known. `upcasters` has one for each `(event type, n)` ever stored.

        `aliases` leads from names that types had once to those they have today: whatever is
        stored under the old name is read as if it had the new one, upcasters included.

        Registering the same again changes nothing. Raises ValueError for a name that stands for
        two classes, two upcasters for one step, a missing step between version 1 and today's, a
        step that no class ever takes, a personal field that could not be absent, a field that is
        personal in a part, and a name or a version that no column keeps.
        """
        upcasters, aliases, classes = upcasters or {}, aliases or {}, list(classes)
        for cls in classes:
            _check_name(cls.event_type)
            if not 1 <= cls.schema_version <= LARGEST_SCHEMA:
                raise ValueError(
                    f"{cls.event_type} has version {cls.schema_version}: it is from 1 to "
                    f"{LARGEST_SCHEMA}."
                )
        for alias in aliases:
            _check_name(alias)
        for (name, step), upcaster in upcasters.items():
            if self._upcasters.setdefault((name, step), upcaster) is not upcaster:
                raise ValueError(f"{name} has two upcasters from version {step}.")
        for cls in classes:
            name, newest = cls.event_type, cls.schema_version
            if self._classes.setdefault(name, cls) is not cls:
                raise ValueError(f"{cls!r} and {self._classes[name]!r} are both named {name}.")
            if missing := [n for n in range(1, newest) if (name, n) not in self._upcasters]:
                raise ValueError(f"{name} has no upcaster from version {missing[0]}.")
            personal = personal_fields(cls)
            for field in fields(cls):
                needed = field.default is MISSING and field.default_factory is MISSING
                if field.name in personal and needed:
                    raise ValueError(f"{name}.{field.name} is personal and has no default.")
            self._fields[name] = [
                (field.name, personal.get(field.name), _default(field)) for field in fields(cls)
            ]
            self._decoders[name, newest] = msgspec.json.Decoder(cls)
        for name, step in upcasters:
            if name not in self._classes or step not in range(
                1, self._classes[name].schema_version
            ):
                raise ValueError(f"No class takes the upcaster of {name} from version {step}.")
        for alias, name in aliases.items():
            if name not in self._classes:
                raise ValueError(f"The alias {alias} stands for {name}, which is not registered.")
            if self._aliases.setdefault(alias, name) != name:
                raise ValueError(f"The alias {alias} stands for {self._aliases[alias]} and {name}.")
        if clash := self._aliases.keys() & self._classes.keys():
            raise ValueError(f"{sorted(clash)[0]} is both an alias and the name of a class.")

    def rows(
        self,
        stream_type: str,
        stream_id: UUID,
        events: Sequence[DomainEvent],
        *,
        head: StreamHead,
        metadata: Metadata,
        correlation_id: UUID | None,
        occurred_at: datetime | None,
        now: datetime,
        key: Callable[[], DataKey],
    ) -> list[StorageRow]:
        """What to store for these events behind `head`. Raises what `append` may refuse.

        `key` is asked for only where an event says something personal.
        """
        if not events:
            raise ValueError("There is nothing to append.")
        try:
            check_name(stream_type, longest=STREAM_TYPE_LENGTH)
        except InvalidValue as error:
            raise error.under("stream_type") from None
        occurred_at, recorded_at = head.next_times(now=now, stated=occurred_at)
        previous = head.hash or chain.genesis(stream_id)
        command_id = metadata.causation_id
        open_texts: dict[bool, str] = {}
        rows = []
        for i, event in enumerate(events):
            version = head.version + 1 + i
            data, private = self._encode(event)
            personal = None
            if private:
                # The digest of what a person said would let one guess at it after an erasure.
                sealed = _text([private, metadata.command_digest]).encode()
                personal = key().encrypt(sealed, version=version)
            sealed_digest = personal is not None
            if sealed_digest not in open_texts:
                shown = metadata._replace(command_digest=None) if sealed_digest else metadata
                open_texts[sealed_digest] = self._encode_metadata(shown)
            columns = (
                event_id_of(command_id, i) if command_id else uuid_utils.uuid7(),
                stream_type,
                stream_id,
                version,
                event.event_type,
                event.schema_version,
                data,
                open_texts[sealed_digest],
                personal,
                correlation_id,
                occurred_at,
                recorded_at,
            )
            previous = chain.link(previous, columns)
            rows.append(StorageRow(*columns, previous))
        return rows

    def read_back(self, row: StorageRow, key: DataKey | None, *, given: DomainEvent) -> DomainEvent:
        """What a row that is about to be stored will be read as.

        Raises UndecodableEvent, and InvalidValue where that is another event than was given.
        """
        try:
            decoder = self._decoders.get((row.event_type, row.schema_version))
            if row.personal is None and decoder is not None:
                read = decoder.decode(row.data)
            else:
                read, _ = self.fact(
                    row.event_type, row.schema_version, row.version, row.data, row.personal, key
                )
        except Exception as error:  # noqa: BLE001  # a class may raise anything when it is made
            raise undecodable(row, 0, unreadable(error)) from None
        if read != given:
            raise _changed(read, given)
        given_back: DomainEvent = read
        return given_back

    def recorded(self, row: StorageRow, position: int, key: DataKey | None = None) -> RecordedEvent:
        """The envelope of a stored row. Raises UndecodableEvent.

        Without a key the personal part is absent.
        """
        (
            event_id,
            stream_type,
            stream_id,
            version,
            event_type,
            schema_version,
            data,
            text,
            personal,
            correlation_id,
            occurred_at,
            recorded_at,
            hash,
        ) = row
        try:
            decoder = self._decoders.get((event_type, schema_version))
            # Most events say nothing personal, and are read in a third of the time.
            if personal is None and decoder is not None:
                event, digest = decoder.decode(data), None
            else:
                event, digest = self.fact(event_type, schema_version, version, data, personal, key)
        except Exception as error:  # noqa: BLE001  # an upcaster may raise anything
            raise undecodable(row, position, unreadable(error)) from None
        try:
            metadata = self.metadata_of(text, digest)
        except Exception as error:  # noqa: BLE001  # as above, of what anybody may have put there
            raise undecodable(row, position, unreadable(error, part="metadata: ")) from None
        envelope: RecordedEvent = _tuple(
            RecordedEvent,
            (
                event,
                event_id,
                stream_type,
                stream_id,
                version,
                position,
                occurred_at,
                recorded_at,
                metadata,
                correlation_id,
                hash,
            ),
        )
        return envelope

    def fact(
        self,
        event_type: str,
        schema_version: int,
        version: int,
        data: str,
        personal: bytes | None,
        key: DataKey | None,
    ) -> tuple[DomainEvent, str | None]:
        """The event, and the command's digest that was kept with what is personal in it.

        Without a key the personal part is absent. May raise anything: see `unreadable`.
        """
        private: dict[str, Any] = {}
        digest = None
        if personal is not None and key is not None:
            private, digest = msgspec.json.decode(key.decrypt(personal, version=version))
        return self._upcast(event_type, schema_version, data, private), digest

    def facts(self, rows: Iterable[Sequence[Any]]) -> list[DomainEvent]:
        """The events without anything personal, of rows that start with type, version and data.

        Raises UnreadableFact.
        """
        decoders = self._decoders
        try:
            # One lookup and one call an event: most of what a long stream takes.
            return [
                decoder.decode(row[2])
                if (decoder := decoders.get((row[0], row[1])))
                else self._upcast(row[0], row[1], row[2], {})
                for row in rows
            ]
        except Exception as error:  # noqa: BLE001  # an upcaster may raise anything
            raise unreadable(error) from None

    def data_of(self, event: DomainEvent) -> dict[str, Any]:
        """The event's fields as plain JSON values, the personal ones included."""
        plain: dict[str, Any] = msgspec.to_builtins(event)
        return plain

    def open_data_of(self, event: DomainEvent) -> dict[str, Any]:
        """`data_of` without what is personal: what is left of the event after an erasure."""
        plain = self.data_of(event)
        for name, marker, _ in self._fields[event.event_type]:
            if marker is None:
                continue
            value = plain.pop(name)
            if isinstance(value, dict) and marker.except_keys:
                plain[name] = {key: value[key] for key in marker.except_keys if key in value}
        return plain

    def event_of(self, event_type: str, schema_version: int, data: bytes) -> DomainEvent:
        """The way back from `data_of` or `open_data_of`, as JSON and of any version ever written.

        May raise anything: see `unreadable`. Refuses what no log could have kept.
        """
        decoder = self._decoders.get((event_type, schema_version))
        event: DomainEvent = (
            decoder.decode(data) if decoder else self._upcast(event_type, schema_version, data, {})
        )
        check_kept(event)
        return event

    def _encode(self, event: DomainEvent) -> tuple[str, dict[str, Any]]:
        """The open part as canonical text, and the personal values that are not the defaults."""
        if self._classes.get(event.event_type) is not type(event):
            raise ValueError(f"{type(event)!r} is not registered as {event.event_type}.")
        open_part: dict[str, Any] = {}
        private: dict[str, Any] = {}
        for name, marker, default in self._fields[event.event_type]:
            value = getattr(event, name)
            if type(value) is datetime:
                value = _in_whole_minutes(value)
            _check(value, name)
            if marker is None:
                open_part[name] = value
            elif value == default and _text(value) == _text(default):
                # Absent is read as the default, now and after an erasure.
                continue
            elif not marker.except_keys or not isinstance(value, Mapping):
                private[name] = value
            else:
                kept = {key: value[key] for key in marker.except_keys if key in value}
                if kept:
                    open_part[name] = kept
                if len(kept) < len(value) or not kept:
                    private[name] = {key: item for key, item in value.items() if key not in kept}
        return _text(open_part), private

    @staticmethod
    def _encode_metadata(metadata: Metadata) -> str:
        if clash := _METADATA_FIELDS.intersection(metadata.extra):
            raise ValueError(f"{sorted(clash)} are not free metadata keys.")
        plain = {
            name: value
            for name in _METADATA_FIELDS
            if name != "extra" and (value := getattr(metadata, name)) is not None
        }
        plain.update(metadata.extra)
        try:
            check_content(plain)
            if metadata.extra and msgspec.json.decode(_text(metadata.extra)) != metadata.extra:
                raise _not_kept()
        except InvalidValue as error:
            raise error.under("metadata") from None
        return _text(plain)

    def _upcast(
        self, stored_name: str, version: int, text: str | bytes, private: dict[str, Any]
    ) -> DomainEvent:
        """By way of plain values, which upcasters work on. May raise anything: see `unreadable`."""
        name = self._aliases.get(stored_name, stored_name)
        cls = self._classes.get(name)
        if cls is None:
            raise UnreadableFact(f"nothing is registered for {stored_name!r}", newer=True)
        if version > cls.schema_version:
            raise UnreadableFact("stored by newer code than this", newer=True)
        if version < 1:
            raise UnreadableFact("no code has ever stored such a version")
        data = _merged(msgspec.json.decode(text), private)
        if version == cls.schema_version:
            return msgspec.convert(data, cls)
        for step in range(version, cls.schema_version):
            data = self._step(name, step, data)
        event = msgspec.convert(data, cls)
        # Made by code, and not what was checked before it was stored.
        check_kept(event)
        try:
            _canonical.encode(event)
        except TypeError:
            reason = f"the upcasters of {name} leave what JSON has no type for"
            raise UnreadableFact(reason) from None
        return event

    def _step(self, name: str, step: int, data: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises UnreadableFact, which says nothing of what the upcaster has said."""
        where = f"the upcaster of {name} from version {step}"
        try:
            upcast = self._upcasters[name, step](data)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  # it may raise anything
            raise UnreadableFact(f"{where} raised {described(error)}") from None
        if not isinstance(upcast, Mapping):
            raise UnreadableFact(f"{where} returned {type(upcast).__qualname__}, not a mapping")
        return upcast

    @staticmethod
    def provenance_of(text: str) -> Provenance:
        """For who folds all of the log: made in a third of the time. May raise anything."""
        try:
            return _known_metadata.decode(text)
        except msgspec.ValidationError:
            return _free_metadata(msgspec.json.decode(text), None)

    @staticmethod
    def metadata_of(text: str, digest: str | None = None) -> Metadata:
        """`digest` is the one that was kept with what is personal. May raise anything."""
        try:
            known = _known_metadata.decode(text)
        except msgspec.ValidationError:
            return _free_metadata(msgspec.json.decode(text), digest)
        metadata: Metadata = _tuple(
            Metadata,
            (
                known.actor,
                known.door,
                known.on_behalf_of,
                known.causation_id,
                digest or known.command_digest,
                _NO_EXTRA,
            ),
        )
        return metadata


def _check_name(event_type: str) -> None:
    """Raises ValueError."""
    try:
        check_name(event_type, longest=EVENT_TYPE_LENGTH)
    except InvalidValue as error:
        raise ValueError(f"{event_type!r} is no name of an event: {error.detail}") from None


def _free_metadata(plain: dict[str, Any], digest: str | None) -> Metadata:
    """With keys that nobody foresaw. May raise anything."""
    if lacking := [name for name in ("actor", "door") if name not in plain]:
        raise UnreadableFact(f"it lacks {' and '.join(lacking)}")
    actor, door = plain.pop("actor"), plain.pop("door")
    causation_id = plain.pop("causation_id", None)
    if not (isinstance(actor, str) and isinstance(door, str)):
        raise UnreadableFact("actor and door are texts")
    return Metadata(
        actor=actor,
        door=door,
        on_behalf_of=plain.pop("on_behalf_of", None),
        causation_id=UUID(causation_id) if causation_id else None,
        command_digest=plain.pop("command_digest", None) or digest,
        extra=plain,
    )


def envelope(
    row: StorageRow, position: int, event: DomainEvent, metadata: Metadata
) -> RecordedEvent:
    return RecordedEvent(
        event=event,
        event_id=row.event_id,
        stream_type=row.stream_type,
        stream_id=row.stream_id,
        version=row.version,
        position=position,
        occurred_at=row.occurred_at,
        recorded_at=row.recorded_at,
        metadata=metadata,
        correlation_id=row.correlation_id,
        hash=row.hash,
    )


def _merged(open_part: dict[str, Any], private: dict[str, Any]) -> Mapping[str, Any]:
    """One value again from what stayed readable and what was encrypted."""
    merged = {**open_part, **private}
    for name, value in private.items():
        if isinstance(value, dict) and isinstance(open_part.get(name), dict):
            merged[name] = {**open_part[name], **value}
    return merged


def _default(field: Field[Any]) -> object:
    """MISSING where there is none."""
    return field.default if field.default_factory is MISSING else field.default_factory()


def _in_whole_minutes(time: datetime) -> datetime:
    """The same instant: the text of a time has no room for the seconds of its offset (RFC 3339)."""
    offset = time.utcoffset()
    if offset is None or not offset % timedelta(minutes=1):
        return time
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return time


def _changed(read: DomainEvent, given: DomainEvent) -> InvalidValue:
    """Names the first field that is read as another value than was given."""
    name = next(
        field.name
        for field in fields(given)
        if getattr(read, field.name) != getattr(given, field.name)
    )
    return _not_kept().under(name)


def _not_kept() -> InvalidValue:
    detail = "It would be read back as another value: JSON has no such type, or not so exact a one."
    return InvalidValue(pointer="", rule="not_kept", detail=detail)


def _check(value: object, name: str) -> None:
    try:
        check_content(value)
    except InvalidValue as error:
        raise error.under(name) from None


def _text(value: object) -> str:
    encoded = _canonical.encode(value)
    if len(encoded) > MAX_BYTES:
        detail = f"{len(encoded)} bytes of JSON; at most {MAX_BYTES} are kept."
        raise InvalidValue(pointer="", rule="too_large", detail=detail)
    return encoded.decode()


def check_kept(value: object) -> None:
    """Raises UnreadableFact for what no log keeps, so that no reader is prepared for it."""
    try:
        check_content(value)
    except InvalidValue as error:
        # Without its pointer: a key may be somebody's too.
        raise UnreadableFact(error.detail) from None


def undecodable(row: StorageRow, position: int, fact: UnreadableFact) -> UndecodableEvent:
    """The error that names the row."""
    kind = UndecodableEvent
    if fact.newer or fact.keyless:
        kind = StoredByNewerCode if fact.newer else WithoutItsKey
    return kind(
        stream_id=row.stream_id,
        version=row.version,
        event_type=row.event_type,
        schema_version=row.schema_version,
        event_id=row.event_id,
        position=position,
        reason=fact.reason,
    )
