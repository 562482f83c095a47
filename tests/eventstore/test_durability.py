"""Whose commits wait for the disk: the log's do, a read model's need not."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from candidates.application.commands import InviteCandidate
from candidates.models import CandidateProjection, StatusSpan
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.domain.events import Metadata, RecordedEvent
from eventstore.infrastructure.rows import DjangoProjectionRows
from eventstore.models import StorageEvent
from eventstore.wiring import event_store, projections
from tests.factories import add, added, invited
from tests.statements import executed

pytestmark = pytest.mark.django_db(transaction=True)
RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)
LOG, CANDIDATES, SPANS = (
    model._meta.db_table for model in (StorageEvent, CandidateProjection, StatusSpan)
)
postgresql = connection.vendor == "postgresql"
on_postgresql = pytest.mark.skipif(not postgresql, reason="about a setting of PostgreSQL")
on_sqlite = pytest.mark.skipif(postgresql, reason="about a setting of SQLite")
FULL = 2


def decide() -> None:
    """Two commands: the read models' first rows, and then steps of each kind."""
    result = candidate_service().handle(add(candidate_id=uuid4()), RITA)
    candidate_service().handle(InviteCandidate(candidate_id=result.candidate_id), RITA)
    assert StatusSpan.objects.filter(candidate=result.candidate_id, shown_version=2).exists()


@pytest.fixture
def seen_settings() -> Iterator[None]:
    """Every statement that writes to one of the tables notes the setting it runs under."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE seen_setting (position serial, written text, setting text)")
        cursor.execute(
            "CREATE FUNCTION note_setting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "INSERT INTO seen_setting (written, setting) "
            "VALUES (TG_TABLE_NAME, current_setting('synchronous_commit')); RETURN NULL; END $$"
        )
        for table in (LOG, CANDIDATES, SPANS):
            cursor.execute(
                f"CREATE TRIGGER note_setting AFTER INSERT OR UPDATE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION note_setting()"
            )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE seen_setting")
        cursor.execute("DROP FUNCTION note_setting() CASCADE")


def seen() -> set[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT DISTINCT written, setting FROM seen_setting")
        return {(written, setting) for written, setting in cursor.fetchall()}


@on_postgresql
def test_appends_wait_for_the_disk_and_read_models_do_not(seen_settings: None) -> None:
    decide()
    assert seen() == {(LOG, "on"), (CANDIDATES, "off"), (SPANS, "off")}


@on_postgresql
def test_in_a_transaction_everything_waits_for_the_disk(seen_settings: None) -> None:
    with transaction.atomic():
        recorded = append_and_project()
    assert StatusSpan.objects.filter(candidate=recorded[0].stream_id).count() == 2
    assert seen() == {(LOG, "on"), (CANDIDATES, "on"), (SPANS, "on")}


@on_sqlite
def test_a_read_model_s_commits_alone_do_not_wait_for_the_disk() -> None:
    with executed() as statements:
        decide()
    setting = "FULL"
    written: set[tuple[str, str]] = set()
    for statement in statements:
        if statement.startswith("PRAGMA synchronous="):
            setting = statement.removeprefix("PRAGMA synchronous=")
        for table in (LOG, CANDIDATES, SPANS):
            if statement.startswith(("INSERT", "UPDATE")) and table in statement[:60]:
                written.add((table, setting))
    assert written == {(LOG, "FULL"), (CANDIDATES, "NORMAL"), (SPANS, "NORMAL")}
    assert synchronous() == FULL


@on_sqlite
def test_in_a_transaction_the_setting_stays_as_it_is() -> None:
    with executed() as statements, transaction.atomic():
        append_and_project()
    assert not [statement for statement in statements if "PRAGMA" in statement]


@on_sqlite
def test_a_step_that_fails_leaves_the_setting_as_it_was() -> None:
    rows = DjangoProjectionRows(StatusSpan)
    with pytest.raises(IntegrityError):
        rows.advance(uuid4(), expected=0, version=1, changes={"status": "ADDED"})
    assert synchronous() == FULL
    assert not connection.in_atomic_block
    assert connection.get_autocommit()


def append_and_project() -> list[RecordedEvent]:
    metadata = Metadata(actor="rita", door="api")
    recorded = event_store().append(
        "candidate", uuid4(), [added(), invited()], expected=0, metadata=metadata
    )
    for projection in projections().values():
        projection.handle(recorded[:1])
        projection.handle(recorded[1:])
    return recorded


def synchronous() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA synchronous")
        return int(cursor.fetchone()[0])
