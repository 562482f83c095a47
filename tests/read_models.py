"""Read models as anybody may look at them, and the commands that build them."""

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, models

from candidates.domain.events import Status
from candidates.models import CandidateProjection, StatusSpan
from eventstore.domain.events import DomainEvent, Metadata
from eventstore.models import StorageEvent
from eventstore.wiring import event_store, projections
from tests.databases import database_url
from tests.factories import added, decision_undone, invited, moved_to_standby, noted, rejected

ROOT = Path(__file__).resolve().parent.parent
MODELS: dict[str, type[models.Model]] = {
    "candidates": CandidateProjection,
    "candidate_spans": StatusSpan,
}
RITA = Metadata(actor="rita", door="api")
LIVES: tuple[tuple[DomainEvent, ...], ...] = (
    (added(), noted(), invited()),
    (added(), moved_to_standby(), rejected()),
    (added(), invited(), decision_undone(status=Status.ADDED), noted()),
)
"""Ten events, three rows of candidates and eight of spans."""


_INDEXES = """
    SELECT tablename, schemaname, indexname, indexdef FROM pg_indexes
    WHERE tablename = ANY(%s) ORDER BY 1, 3"""
_CONSTRAINTS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
    WHERE conrelid::regclass::text = ANY(%s) ORDER BY 1, 2"""
# A table that a migration took columns from numbers the others as before, a new one does not.
_COLUMNS = """
    SELECT table_name, row_number() OVER (PARTITION BY table_name ORDER BY ordinal_position),
        column_name, data_type, is_nullable,
        character_maximum_length, column_default
    FROM information_schema.columns WHERE table_name = ANY(%s) ORDER BY 1, 2"""
_STATISTICS = """
    SELECT attrelid::regclass::text, attname, attstattarget FROM pg_attribute
    WHERE attrelid = ANY(%s::regclass[]) AND attnum > 0 AND NOT attisdropped ORDER BY 1, 2"""
_GRANTS = """
    SELECT table_name, grantee, privilege_type, is_grantable
    FROM information_schema.table_privileges WHERE table_name = ANY(%s) ORDER BY 1, 2, 3"""
_TRACES = """
    SELECT nspname FROM pg_namespace WHERE nspname = 'replay' UNION ALL
    SELECT 'lock of ' || pid FROM pg_locks JOIN pg_database AS db ON database = db.oid
    WHERE locktype = 'advisory' AND datname = current_database()"""


def appended(*events: DomainEvent, stream_id: UUID | None = None, expected: int = 0) -> UUID:
    """A stream that no read model shows yet, or more of one."""
    stream_id = stream_id or uuid4()
    event_store().append("candidate", stream_id, events, expected=expected, metadata=RITA)
    return stream_id


def rows(*names: str) -> dict[str, list[dict[str, Any]]]:
    """Every row with every column, in the order of their keys; of all projections, or of these."""
    return {
        name: [dict(row) for row in MODELS[name]._default_manager.order_by("pk").values()]
        for name in names or MODELS
    }


def rebuilt() -> dict[str, list[dict[str, Any]]]:
    """The rows as deliveries would have left them: each stream is folded by itself."""
    for name, model in MODELS.items():
        model._default_manager.all().delete()
        for stream_id in StorageEvent.objects.values_list("stream_id", flat=True).distinct():
            projections()[name].rebuild(stream_id)
    return rows()


def replay(*arguments: str) -> list[str]:
    """What `manage.py replay` prints."""
    out = io.StringIO()
    call_command("replay", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().splitlines()


def failed(*arguments: str, code: int = 1) -> tuple[str, list[str]]:
    """The complaint of a replay that does not end well, and what it printed before."""
    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("replay", *arguments, stdout=out, stderr=io.StringIO())
    assert caught.value.returncode == code
    return str(caught.value), out.getvalue().splitlines()


def replay_process(*arguments: str) -> "subprocess.Popen[str]":
    """`manage.py replay` on the test database, in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "replay", *arguments],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": database_url(),
            "SECRET_KEY": settings.SECRET_KEY,
            "PERSONAL_DATA_KEYS": os.environ["PERSONAL_DATA_KEYS"],
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def traces() -> list[str]:
    """Whatever a replay may leave in the database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                r"SELECT name FROM sqlite_master WHERE name LIKE '%\_\_repl%' ESCAPE '\'"
            )
        else:
            cursor.execute(_TRACES)
        return [name for (name,) in cursor.fetchall()]


def definitions() -> list[tuple[Any, ...]]:
    """Tables, indexes, constraints, statistics kept and grants of the read models."""
    tables = sorted(model._meta.db_table for model in MODELS.values())
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name IN (%s, %s) "
                "ORDER BY type, name",
                tables,
            )
            # What was written by hand need not be quoted.
            return [(*row, sql and sql.replace('"', "")) for *row, sql in cursor.fetchall()]
        found: list[tuple[Any, ...]] = []
        for statement in (_INDEXES, _CONSTRAINTS, _COLUMNS, _STATISTICS, _GRANTS):
            cursor.execute(statement, [tables])
            found += cursor.fetchall()
        return found
