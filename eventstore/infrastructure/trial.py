"""A batch for trying out as many commands as there are, in memory that does not grow with them."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from uuid import UUID

import msgspec

from eventstore.application.ports import EventStore
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.batch import DjangoEventBatch, head_at
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.mapper import EventMapper, StorageRow

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(StorageRow).decode


class TrialBatch(DjangoEventBatch):
    """Never stored. Each fetch puts what was appended before into a temporary database.

    Without what is personal in it, which no decision needs; so it cannot be read back as a whole.
    """

    def __init__(
        self,
        log: EventStore,
        mapper: EventMapper,
        *,
        keyring: Callable[[], Keyring],
        clock: Callable[[], datetime],
        spool: sqlite3.Connection,
    ) -> None:
        super().__init__(log, mapper, keyring=keyring, clock=clock)
        self._spool = spool
        spool.execute(
            "CREATE TABLE appended (stream BLOB, version INTEGER, event BLOB, "
            "PRIMARY KEY (stream, version)) WITHOUT ROWID"
        )

    def fetch(self, stream_ids: Collection[UUID], *, command_ids: Collection[UUID] = ()) -> None:
        self._spool.executemany(
            "INSERT INTO appended VALUES (?, ?, ?)",
            (
                (row.stream_id.bytes, row.version, _encode(row._replace(personal=None)))
                for _, _, row in self._appended
            ),
        )
        self._streams.clear()
        self._appended.clear()
        self._commands = {id: True for id, done in self._commands.items() if done}
        super().fetch(stream_ids, command_ids=command_ids)

    def store(self) -> list[RecordedEvent]:
        raise ValueError("What is only tried out is never stored.")

    def _fetch(self, stream_ids: Sequence[UUID]) -> None:
        super()._fetch(stream_ids)
        for stream_id in stream_ids:
            found = self._spool.execute(
                "SELECT event FROM appended WHERE stream = ? ORDER BY version", [stream_id.bytes]
            ).fetchall()
            if found:
                stream = self._streams[stream_id]
                stream.rows += [(_decode(event), 0) for (event,) in found]
                stream.head = head_at(stream.rows[-1][0])


@contextmanager
def temporary_database() -> Iterator[sqlite3.Connection]:
    # No name: SQLite keeps it on disk once it outgrows its cache of 8 MB, and deletes it.
    with closing(sqlite3.connect("", isolation_level=None)) as connection:
        connection.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-8192; BEGIN;"
        )
        yield connection
