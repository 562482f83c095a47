"""The database refuses what would lose a key: all but wrapping it anew and erasing it."""

from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from eventstore.domain.events import Metadata
from eventstore.infrastructure.key_guards import CHECK_TABLE, SECRET_TABLE
from eventstore.infrastructure.triggers import (
    drop_key_triggers,
    ensure_triggers,
    missing_guards,
)
from eventstore.models import KeyCheck, StreamKey, WrappedSecret
from eventstore.wiring import event_store, rotate_keys, secret
from tests.factories import added
from tests.wrapping_keys import fingerprint, wrapping_keys

KEYS = StreamKey._meta.db_table
SQLITE = connection.vendor == "sqlite"
UNKNOWN = "x'0a0b0c0d'" if SQLITE else "'\\x0a0b0c0d'::bytea"
SUBSTRING = "substr" if SQLITE else "substring"
LIVE = f"FROM {KEYS} AS other WHERE other.wrapped IS NOT NULL"
OTHER = f"(SELECT wrapped {LIVE} AND other.stream_id <> {KEYS}.stream_id LIMIT 1)"
CUT = f"CAST({SUBSTRING}(wrapped, 1, 30) AS {'blob' if SQLITE else 'bytea'})"
UNDER_NONE = f"CAST({UNKNOWN} || {SUBSTRING}(wrapped, 5) AS {'blob' if SQLITE else 'bytea'})"
ADOPTED = f"x'{fingerprint(2)}'" if SQLITE else f"'\\x{fingerprint(2)}'::bytea"
SHORTER = f"CAST({ADOPTED} || {SUBSTRING}(wrapped, 6) AS {'blob' if SQLITE else 'bytea'})"
STATEMENTS = [
    f"DELETE FROM {KEYS}",
    f"DELETE FROM {KEYS} WHERE wrapped IS NULL",
    f"UPDATE {KEYS} SET wrapped = {OTHER} WHERE wrapped IS NOT NULL",
    f"UPDATE {KEYS} SET wrapped = {CUT} WHERE wrapped IS NOT NULL",
    f"UPDATE {KEYS} SET wrapped = {UNDER_NONE} WHERE wrapped IS NOT NULL",
    f"UPDATE {KEYS} SET wrapped = {SHORTER} WHERE wrapped IS NOT NULL",
    f"UPDATE {KEYS} SET wrapped = {OTHER} WHERE wrapped IS NULL",
    f"UPDATE {KEYS} SET wrapped = wrapped",
    (
        f"INSERT INTO {KEYS} SELECT * FROM {KEYS} WHERE true ON CONFLICT (stream_id) "
        "DO UPDATE SET wrapped = excluded.wrapped"
    ),
    f"DELETE FROM {SECRET_TABLE}",
    f"UPDATE {SECRET_TABLE} SET name = 'another'",
    f"UPDATE {SECRET_TABLE} SET wrapped = (SELECT wrapped {LIVE} LIMIT 1)",
    f"DELETE FROM {CHECK_TABLE}",
    f"UPDATE {CHECK_TABLE} SET fingerprint = '0a0b0c0d'",
    f"UPDATE {CHECK_TABLE} SET check_value = {UNKNOWN}",
]
if SQLITE:
    STATEMENTS += [
        f"UPDATE {KEYS} SET stream_id = '{'0' * 32}' WHERE wrapped IS NULL",
        f"UPDATE {KEYS} SET rowid = rowid + 100, wrapped = NULL WHERE wrapped IS NOT NULL",
        f"UPDATE {KEYS} SET wrapped = 'text'",
        f"INSERT OR REPLACE INTO {KEYS} SELECT stream_id, NULL FROM {KEYS}",
        f"REPLACE INTO {KEYS} SELECT stream_id, NULL FROM {KEYS}",
        (
            f"REPLACE INTO {KEYS} (rowid, stream_id, wrapped) "
            f"SELECT rowid, lower(hex(randomblob(16))), wrapped FROM {KEYS}"
        ),
        f"UPDATE OR REPLACE {KEYS} SET stream_id = (SELECT min(stream_id) FROM {KEYS})",
        f"INSERT OR REPLACE INTO {SECRET_TABLE} SELECT name, NULL FROM {SECRET_TABLE}",
        f"INSERT OR REPLACE INTO {CHECK_TABLE} SELECT * FROM {CHECK_TABLE}",
    ]
else:
    STATEMENTS += [
        f"UPDATE {KEYS} SET stream_id = gen_random_uuid()",
        f"TRUNCATE {KEYS}",
        f"TRUNCATE {SECRET_TABLE} CASCADE",
        f"TRUNCATE {CHECK_TABLE}",
        f"SET LOCAL session_replication_role = replica; DELETE FROM {KEYS}",
        f"SET LOCAL session_replication_role = replica; UPDATE {KEYS} SET wrapped = {OTHER}",
        f"MERGE INTO {KEYS} USING (VALUES (1)) AS one ON true WHEN MATCHED THEN DELETE",
        f"ALTER TABLE {KEYS} RENAME TO elsewhere; DELETE FROM elsewhere",
    ]


def tables() -> list[list[tuple[object, ...]]]:
    return [
        sorted(
            tuple(bytes(v) if isinstance(v, memoryview) else v for v in row)
            for row in model.objects.values_list()
        )
        if model is not StreamKey
        else sorted((str(id), bytes(wrapped or b"")) for id, wrapped in model.objects.values_list())
        for model in (StreamKey, WrappedSecret, KeyCheck)
    ]


@pytest.fixture
def keys(db: None) -> None:
    metadata = Metadata(actor="rita", door="api")
    with wrapping_keys(1, 2):
        ids = [uuid4() for _ in range(3)]
        for id in ids:
            event_store().append("candidate", id, [added()], expected=0, metadata=metadata)
        event_store().erase_personal_data(ids[0])
        secret("test")


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("statement", STATEMENTS)
def test_no_statement_loses_a_key(statement: str) -> None:
    before = tables()
    with (
        pytest.raises(DatabaseError, match=r"eventstore: |there is one already"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert tables() == before


@pytest.mark.usefixtures("keys")
def test_wrapping_anew_and_erasing_pass() -> None:
    with wrapping_keys(2, 1):
        assert rotate_keys().anew == 3
        for id in StreamKey.objects.values_list("pk", flat=True):
            event_store().erase_personal_data(id)
    assert set(StreamKey.objects.values_list("wrapped", flat=True)) == {None}


@pytest.mark.usefixtures("keys")
def test_guards_that_are_missing_are_named_and_made() -> None:
    names = {guard.name for guard in missing_guards(connection)}
    assert names == set()
    drop_key_triggers(connection)
    names = {guard.name for guard in missing_guards(connection)}
    assert {"eventstore_key_changes", "eventstore_key_kept"} <= names
    assert {name.split("_")[1] for name in names} == {"key", "secret", "check"}
    assert set(ensure_triggers(connection)) == names
    assert missing_guards(connection) == []
