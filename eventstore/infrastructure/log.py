"""Reading the whole log without ever passing a number that a transaction may still fill.

Positions are drawn before they are committed, so on PostgreSQL a slow transaction's events appear
behind those of a faster one, and a reader that asks for `position > cursor` has passed them by.
This module holds both halves of the cure: what every INSERT does (`lock_body`, the body of a
trigger) and what the reader asks (`settled_position`).

Why it is exact. Let T be a transaction that stores an event at position p. Before T draws p it
holds a shared advisory lock whose key k is a number that was drawn earlier, so k < p. The reader
asks for L, the last number drawn, then for the lowest key held, and reads up to S, the smaller of
the two, in a snapshot taken after both. Let p <= S. Then p <= L, so p was drawn before the reader
asked for L, and T held its lock by then. Had T still held it when the keys were listed, S would
be at most k, which is less than p. So T had ended before, and PostgreSQL shows a commit to new
snapshots before it lets go of its locks: the reader sees the event, or T was rolled back and
nobody ever will.

It rests on these conditions:

* L is asked before the keys, and both before the rows: three statements, each with a snapshot of
  its own, so READ COMMITTED (checked on every read);
* on the primary, since a standby has neither the locks nor the last number (checked);
* not in a transaction that has appended: it holds its own reader back (checked);
* numbers are drawn by INSERT alone, behind the trigger, one by one: the trigger is there and fires
  always, the identity is GENERATED ALWAYS, its sequence caches nothing (`triggers.py` sees to it);
* the last number drawn is at or past the newest position: the trigger refuses every INSERT else.

A rollback to a savepoint takes back the lock, the flag that it was taken, and the events whose
numbers it covered; a prepared transaction keeps its lock. Nobody waits: locks are shared.

SQLite has one writer at a time, which draws the next number when all earlier ones are committed:
the order of commits is the order of numbers, and whatever is committed is settled.
"""

from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.domain.events import Cursor
from eventstore.domain.exceptions import (
    CursorBeyondLog,
    LogWasRestored,
    ReadOnlyDatabase,
    UnsafeLogRead,
)
from eventstore.infrastructure.driver import TABLE, Stored, driver_of


def last_number_of(sequence: str) -> str:
    """The last number drawn, 0 while none was, as an SQL expression.

    By the function, which looks at the sequence under its lock. `SELECT last_value FROM …` does
    not: while a number is drawn that has to be logged, it shows one up to 32 ahead, which nobody
    has drawn. A reader that takes it for L, or a writer for its key, then skips events.
    """
    return f"coalesce(pg_sequence_last_value('{sequence}'), 0)"


LARGEST = 2**63 - 1
"""A position, or a number of events, at most."""
SEQUENCE_BEHIND = "eventstore: the sequence of positions is behind the newest event"
# The key of an advisory lock is one bigint for the whole database. The upper 16 bits say that it
# is ours, the lower 48 are the number: enough for 10,000 events a second over 800 years.
_OURS = int.from_bytes(b"ev", "big")
_FLAG = "eventstore.appending"
# pg_locks shows the key as two halves of 32 bits, and the locks of every database.
_KEY = "((classid::bigint & 65535) << 32) | objid::bigint"
_HELD = (
    f"locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = {_OURS} "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_ENDS = f"""
        coalesce((SELECT max(position) FROM {TABLE}), 0),
        (SELECT hash FROM {TABLE} WHERE position = %s)"""
_STATE = f"""
    SELECT {last_number_of(f"{TABLE}_position_seq")},{_ENDS},
        pg_is_in_recovery(),
        current_setting('transaction_isolation'),
        current_setting('{_FLAG}', true) = pg_current_xact_id_if_assigned()::text"""
_LAST = f"SELECT position, hash FROM {TABLE} WHERE position <= %s ORDER BY position DESC LIMIT 1"
_LOWEST_KEY = f"SELECT min({_KEY}) FROM pg_locks WHERE {_HELD}"
# Without the literals of the statement: they may be personal. A prepared transaction has no
# session; it is known by the lock on its own number.
_HOLDERS = f"""
    SELECT after, held.pid, coalesce(xact_start, prepared),
        coalesce(regexp_replace(query, '''([^'']|'''')*''', '''…''', 'g'),
            'PREPARE TRANSACTION ' || quote_literal(gid), '')
    FROM (SELECT {_KEY} AS after, * FROM pg_locks WHERE {_HELD}) AS held
    LEFT JOIN pg_stat_activity AS session ON session.pid = held.pid
    LEFT JOIN pg_locks AS itself ON held.pid IS NULL AND itself.locktype = 'transactionid'
        AND itself.virtualtransaction = held.virtualtransaction
    LEFT JOIN pg_prepared_xacts ON transaction = itself.transactionid
    ORDER BY 1, 3"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A transaction in flight that has appended, and so holds readers back."""

    after: int
    """The last number before its own: readers get no further."""
    pid: int | None
    """None for a prepared transaction, which belongs to no session."""
    since: datetime | None
    """None where it has just ended, or where this role may not look at that of others."""
    query: str
    """Its newest statement, without literals."""

    def age(self, now: datetime) -> timedelta | None:
        return None if self.since is None else now - self.since

    def __str__(self) -> str:
        owner = "a prepared transaction" if self.pid is None else f"pid {self.pid}"
        since = f"{self.since:%Y-%m-%d %H:%M:%S %Z}" if self.since else "an unknown time"
        return f"{owner}, since {since}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStatus:
    last_number: int
    """Drawn so far; its event may be rolled back or still to come."""
    settled: int
    """The position below which no transaction in flight can add an event."""
    holders: list[Holder]
    """Who keeps the settled position below the last number, the lowest first."""


def lock_body(table: str, sequence: str) -> str:
    """The body of the trigger that runs before every INSERT, in PL/pgSQL.

    The flag holds the transaction's id, so that no setting of a session can pose as it. It is set
    by an assignment, which costs less than a statement.

    A sequence that a restore, a replica or `setval` has left behind would number events below
    those that readers have passed: such an INSERT is refused.
    """
    return f"""
DECLARE appending text := pg_current_xact_id()::text;
BEGIN
    IF current_setting('{_FLAG}', true) IS DISTINCT FROM appending THEN
        PERFORM pg_advisory_xact_lock_shared({_OURS}::bigint << 48 | {last_number_of(sequence)});
        appending := set_config('{_FLAG}', appending, true);
    END IF;
    IF (SELECT max(position) FROM {table}) > {last_number_of(sequence)} THEN
        RAISE EXCEPTION '{SEQUENCE_BEHIND}'
        USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Run manage.py migrate.';
    END IF;
    RETURN NULL;
END"""


def read_settled(
    connection: BaseDatabaseWrapper,
    *,
    after: Cursor | int,
    limit: int,
    stream_types: Collection[str],
    event_types: Collection[str],
) -> Iterator[Stored]:
    """`EventStore.read_all`, as rows. Filters cannot change what is settled: they apply to it."""
    if limit < 0:
        raise ValueError(f"A limit is not negative: {limit}.")
    settled = settled_position(connection, after=after)
    after, limit = max(Cursor.of(after).position, 0), min(limit, LARGEST)
    if settled <= after:
        return iter(())
    where = "position > %s AND position <= %s"
    parameters: list[object] = [after, settled]
    for column, wanted in (("stream_type", stream_types), ("event_type", event_types)):
        if wanted:
            where += f" AND {column} IN ({', '.join(['%s'] * len(wanted))})"
            parameters += wanted
    where += " ORDER BY position LIMIT %s"
    parameters.append(limit)
    with connection.wrap_database_errors:
        # Planned anew: a plan kept from when the log was short would sort all of it for ever.
        return driver_of(connection).select(
            connection.connection, where, parameters, keys=True, prepare=False
        )


def settled_position(connection: BaseDatabaseWrapper, *, after: Cursor | int = 0) -> int:
    """How far the log may be read now, as the module's docstring argues.

    Raises LogWasRestored where `after` cannot have come from this log, CursorBeyondLog where it
    does not say which event it comes from, and UnsafeLogRead where the answer could be wrong.
    """
    driver_of(connection)
    after = Cursor.of(after)
    if connection.vendor == "sqlite":
        last_position, held = _ends(connection, after.position)
        if not connection.get_autocommit() and last_position > _committed(connection):
            raise UnsafeLogRead(reason="this transaction has appended to it.")
        settled = last_position
    else:
        last_number, last_position, held = _state(connection, after.position)
        with connection.cursor() as cursor:
            cursor.execute(_LOWEST_KEY)
            (lowest_key,) = cursor.fetchone()
        settled = last_number if lowest_key is None else min(last_number, lowest_key)
    if after.hash is not None and held != after.hash:
        raise LogWasRestored(after=after.position)
    if after.position > last_position:
        raise CursorBeyondLog(after=after.position, last=last_position)
    return settled


def settled_end(connection: BaseDatabaseWrapper) -> int:
    """The position of the last event that may be read, as it goes into a cursor; 0 without one."""
    return settled_cursor(connection).position


def settled_cursor(connection: BaseDatabaseWrapper, *, after: Cursor | int = 0) -> Cursor:
    """At that event. Raises what `settled_position` does."""
    return newest_until(connection, settled_position(connection, after=after))


def newest_until(connection: BaseDatabaseWrapper, position: int) -> Cursor:
    """At the last event that is visible at this position or below it."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST, [position])
        last = cursor.fetchone()
    return Cursor(int(last[0]), as_bytes(last[1])) if last else Cursor()


def cursor_at(connection: BaseDatabaseWrapper, position: int) -> Cursor:
    """At the event there, or without a hash where there is none."""
    _, held = _ends(connection, position)
    return Cursor(position, held)


def as_bytes(hash: Any) -> bytes | None:
    """A hash as it was stored. SQLite keeps a text in its column, too."""
    if hash is None:
        return None
    return hash.encode() if isinstance(hash, str) else bytes(hash)


def log_status(connection: BaseDatabaseWrapper) -> LogStatus:
    """What `settled_position` sees, and why. Raises UnsafeLogRead as it does."""
    driver_of(connection)
    if connection.vendor == "sqlite":
        last_number = _last_position(connection)
        return LogStatus(last_number=last_number, settled=last_number, holders=[])
    last_number, _, _ = _state(connection, 0)
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS)
        holders = [
            Holder(after=after, pid=pid, since=since, query=query)
            for after, pid, since, query in cursor.fetchall()
            if after < last_number
        ]
    settled = holders[0].after if holders else last_number
    return LogStatus(last_number=last_number, settled=settled, holders=holders)


def last_number(connection: BaseDatabaseWrapper) -> int:
    """The last number drawn, whether its event can be seen or not; 0 while none was."""
    if connection.vendor == "sqlite":
        return _last_position(connection)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {last_number_of(f'{TABLE}_position_seq')}")
        (number,) = cursor.fetchone()
    return int(number)


def _state(connection: BaseDatabaseWrapper, position: int) -> tuple[int, int, bytes | None]:
    """The last number drawn, and on PostgreSQL what `_ends` says."""
    with connection.cursor() as cursor:
        cursor.execute(_STATE, [min(max(position, 0), LARGEST)])
        last_number, last_position, held, standby, isolation, appended = cursor.fetchone()
    if standby:
        raise ReadOnlyDatabase
    if isolation != "read committed":
        raise UnsafeLogRead(reason=f"a transaction in {isolation} sees an older log than it asks.")
    if appended:
        raise UnsafeLogRead(reason="this transaction has appended to it.")
    return last_number, last_position, as_bytes(held)


def _ends(connection: BaseDatabaseWrapper, position: int) -> tuple[int, bytes | None]:
    """The last position to be seen, and the hash of the event at this one, if there is one.

    In one statement, so that a reader who states what it has read costs no more than one who does
    not.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {_ENDS}", [min(max(position, 0), LARGEST)])
        last_position, held = cursor.fetchone()
    return int(last_position), as_bytes(held)


def _last_position(connection: BaseDatabaseWrapper) -> int:
    return _ends(connection, 0)[0]


def _committed(connection: BaseDatabaseWrapper) -> int:
    """The last position as others see it."""
    with closing(connection.copy()) as other:
        return _last_position(other)
