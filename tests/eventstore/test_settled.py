"""Reading the whole log while others write: nothing is skipped, nothing repeated."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event
from typing import Any, cast
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from eventstore.domain.events import Metadata
from eventstore.domain.exceptions import UnsafeLogRead
from eventstore.infrastructure.log import last_number_of, settled_position
from eventstore.infrastructure.mapper import StorageRow
from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests.factories import added, invited
from tests.threads import in_flight, together

pytestmark = pytest.mark.django_db(transaction=True)
with_several_writers = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite has one writer at a time"
)

RITA = Metadata(actor="rita", door="api")
TABLE = StorageEvent._meta.db_table
COLUMNS = ", ".join(StorageRow._fields)
LINES = """
    SELECT gen_random_uuid(), 'candidate', gen_random_uuid(), 1, 'candidate.invited', 1,
        '{"score":80.0,"threshold":75.0}', '{"actor":"psql","door":"sql"}', null::bytea,
        null::uuid, now(), now(), '\\x00'::bytea FROM generate_series(1, 3)"""


def append(count: int = 1) -> list[int]:
    recorded = event_store().append(
        "candidate", uuid4(), [added(), *[invited()] * (count - 1)], expected=0, metadata=RITA
    )
    return [event.position for event in recorded]


def read(after: int = 0, limit: int = 100) -> list[int]:
    return [event.position for event in event_store().read_all(after=after, limit=limit)]


def stored() -> list[int]:
    return list(StorageEvent.objects.order_by("position").values_list("position", flat=True))


def insert_select() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} ({COLUMNS}) {LINES}")


def copy() -> None:
    with connection.cursor() as cursor:
        cursor.execute(LINES)
        rows = cursor.fetchall()
        with cursor.copy(f"COPY {TABLE} ({COLUMNS}) FROM STDIN") as stdin:
            for row in rows:
                stdin.write_row(row)


def insert_in_a_function() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"DO $$ BEGIN FOR i IN 1..3 LOOP INSERT INTO {TABLE} ({COLUMNS}) {LINES}; END LOOP; "
            "END $$"
        )


def insert_in_a_query() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH stored AS (INSERT INTO {TABLE} ({COLUMNS}) {LINES} RETURNING position) "
            "SELECT count(*) FROM stored"
        )


def insert_where_triggers_are_off() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(f"INSERT INTO {TABLE} ({COLUMNS}) {LINES}")


def insert_where_the_flag_is_forged() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET eventstore.appending = 'on'")
        cursor.execute(f"INSERT INTO {TABLE} ({COLUMNS}) {LINES}")


def insert_where_nothing_is_found_by_name() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET search_path = ''")
        cursor.execute(f"INSERT INTO public.{TABLE} ({COLUMNS}) {LINES}")


def append_many() -> None:
    append(1500)


@with_several_writers
@pytest.mark.parametrize("commit", [True, False], ids=["commit", "rollback"])
@pytest.mark.parametrize(
    "slow",
    [
        append,
        append_many,
        insert_select,
        copy,
        insert_in_a_function,
        insert_in_a_query,
        insert_where_triggers_are_off,
        insert_where_the_flag_is_forged,
        insert_where_nothing_is_found_by_name,
    ],
)
def test_no_reader_passes_an_append_in_flight(slow: Callable[[], object], commit: bool) -> None:
    before = append(3)
    with in_flight(slow, commit=commit):
        behind = append(2)
        # A hole in the middle of a batch, exactly at its end, and behind it.
        assert read(limit=100) == before
        assert read(limit=3) == before
        assert read(limit=2) == before[:2]
        assert read(after=before[-1]) == []
        # Whoever takes what there is has passed it.
        assert stored() == before + behind
    assert read(limit=2000) == stored()
    assert set(before + behind) < set(stored()) if commit else before + behind == stored()


@with_several_writers
def test_the_very_first_event_is_not_passed() -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {TABLE} ALTER COLUMN position RESTART WITH 1")
    with in_flight(append):
        assert append() == [2]
        assert settled_position(connection) == 0
        assert read() == []
    assert read() == [1, 2]


@with_several_writers
def test_two_appends_in_one_transaction_are_held_from_the_first_on() -> None:
    with second_session() as session:
        insert(session)
        first = append()
        insert(session)
        second = append()
        assert read() == []
        session.commit()
        assert [*read()] == stored()
        assert {*first, *second} < {*read()}


@with_several_writers
def test_a_rollback_to_a_savepoint_frees_the_readers_and_the_next_append_holds_them_anew() -> None:
    with second_session() as session:
        savepoint = session.savepoint()
        assert savepoint
        insert(session)
        behind = append()
        assert read() == []
        session.savepoint_rollback(savepoint)
        assert read() == behind
        insert(session)
        more = append()
        assert read() == behind
        session.commit()
        assert read() == stored()
        assert len(stored()) == len(behind) + 3 + len(more)


@with_several_writers
def test_an_append_before_the_savepoint_goes_on_holding() -> None:
    with second_session() as session:
        insert(session)
        savepoint = session.savepoint()
        assert savepoint
        insert(session)
        session.savepoint_rollback(savepoint)
        append()
        assert read() == []
        session.commit()
        assert read() == stored()
        assert len(stored()) == 4


@with_several_writers
def test_other_transactions_hold_nobody_back() -> None:
    with second_session() as session, session.cursor() as cursor:
        cursor.execute("UPDATE django_content_type SET model = model")
        cursor.execute("SELECT pg_advisory_xact_lock_shared(0), pg_advisory_xact_lock(0, 1)")
        assert append(3) == read()


@with_several_writers
def test_an_append_in_another_database_holds_nobody_back() -> None:
    with second_session(dbname="postgres") as session, session.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", [key_held_by(insert_select)])
        append()
        assert read() == stored()
        assert len(stored()) == 4


def test_uncommitted_events_are_not_read_and_do_not_hold_back_what_is_committed() -> None:
    before = append(2)
    with in_flight(append):
        assert read() == before
    assert read() == stored()
    assert len(stored()) == 3


def test_after_a_rollback_the_log_goes_on() -> None:
    before = append(2)
    with in_flight(append, commit=False):
        assert read() == before
    assert read() == before
    assert read(after=before[-1]) == []
    behind = append()
    assert read(after=before[-1]) == behind


def test_a_transaction_that_has_appended_cannot_read_the_log() -> None:
    before = append()
    with transaction.atomic():
        assert read() == before
        with transaction.atomic():
            append()
            with pytest.raises(UnsafeLogRead, match="has appended"):
                read()
            transaction.set_rollback(True)
        # The events are gone, and with them the reason.
        assert read() == before
        append()
        with pytest.raises(UnsafeLogRead, match="has appended"):
            read()
    assert read() == stored()


@with_several_writers
@pytest.mark.parametrize("level", ["REPEATABLE READ", "SERIALIZABLE"])
def test_the_log_is_not_read_in_a_snapshot_of_the_past(level: str) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        with pytest.raises(UnsafeLogRead, match=level.lower()):
            read()


@with_several_writers
def test_the_log_is_not_read_on_a_standby() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA standby")
        cursor.execute(
            "CREATE FUNCTION standby.pg_is_in_recovery() RETURNS boolean LANGUAGE sql "
            "AS 'SELECT true'"
        )
        cursor.execute("SET LOCAL search_path = standby, pg_catalog, public")
        with pytest.raises(UnsafeLogRead, match="standby"):
            read()
        transaction.set_rollback(True)


@with_several_writers
def test_no_number_counts_as_drawn_before_it_is() -> None:
    """While a draw is being logged, the sequence's row shows a number that is 32 ahead."""
    sequence = f"{TABLE}_position_seq"
    expression = last_number_of(sequence)

    def draw() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT nextval('{sequence}') FROM generate_series(1, 300000)")

    def compare() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT count(*) FROM generate_series(1, 60000) "
                f"WHERE {expression} >= nextval('{sequence}')"
            )
            (ahead,) = cursor.fetchone()
        return int(ahead)

    *_, ahead = together(3, lambda number: compare() if number == 2 else draw())
    assert ahead == 0


WRITERS = 6
EVENTS_OF_A_WRITER = 1700


def test_under_load_nothing_is_skipped_and_nothing_repeated() -> None:
    """Six writers with delays and rollbacks; one who takes what there is, and ours."""
    writers_done = [Event() for _ in range(WRITERS)]

    def write(number: int) -> None:
        chance = random.Random(number)
        written = 0
        try:
            while written < EVENTS_OF_A_WRITER:
                with transaction.atomic():
                    count = sum(len(append(chance.randint(1, 25))) for _ in range(2))
                    time.sleep(chance.choice([0, 0, 0.001, 0.003, 0.01]))
                    kept = chance.random() > 0.2
                    transaction.set_rollback(not kept)
                written += count * kept
        finally:
            writers_done[number].set()

    def follow(batch: Callable[[int], list[int]]) -> list[int]:
        seen: list[int] = []
        while True:
            last_round = all(done.is_set() for done in writers_done)
            while new := batch(seen[-1] if seen else 0):
                seen += new
            if last_round:
                return seen
            time.sleep(0.002)

    def naive(after: int) -> list[int]:
        events = StorageEvent.objects.filter(position__gt=after).order_by("position")
        return list(events.values_list("position", flat=True)[:200])

    def act(number: int) -> list[int]:
        if number < WRITERS:
            write(number)
            return []
        return follow(naive if number == WRITERS else lambda after: read(after, limit=200))

    *writing, seen_by_naive, seen = together(WRITERS + 2, act)

    assert writing == [[]] * WRITERS
    everything = stored()
    assert len(everything) >= 10_000
    assert seen == everything
    if connection.vendor == "postgresql":
        lost = set(everything).difference(cast(list[int], seen_by_naive))
        assert lost, "This load would not have found a reader that skips."
    else:
        assert seen_by_naive == everything


@contextmanager
def second_session(**other: Any) -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own with an open transaction."""
    session = connection.copy()
    session.settings_dict["OPTIONS"] = {**session.settings_dict["OPTIONS"], **other}
    session.set_autocommit(False)
    try:
        yield session
    finally:
        session.rollback()
        session.close()


def insert(session: BaseDatabaseWrapper) -> None:
    with session.cursor() as cursor:
        cursor.execute(f"INSERT INTO {TABLE} ({COLUMNS}) {LINES}")


def key_held_by(act: Callable[[], object]) -> int:
    with in_flight(act), connection.cursor() as cursor:
        cursor.execute(
            "SELECT classid::bigint << 32 | objid::bigint FROM pg_locks JOIN pg_database "
            "ON pg_database.oid = database WHERE locktype = 'advisory' AND mode = 'ShareLock' "
            "AND datname = current_database()"
        )
        ((key,),) = cursor.fetchall()
    return int(key)
