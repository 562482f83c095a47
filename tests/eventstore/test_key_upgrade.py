"""A log from before there were check values is migrated, and goes on with the keys that it has."""

import io
import json
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from django.core.management import call_command
from django.db import connection

from eventstore import wiring
from eventstore.domain.events import Metadata
from eventstore.domain.exceptions import KeyNotAdopted
from eventstore.infrastructure.triggers import missing_guards
from eventstore.models import KeyCheck
from eventstore.wiring import event_store
from tests.factories import added, noted
from tests.wrapping_keys import fingerprint, wrapping_keys

pytestmark = pytest.mark.django_db(transaction=True)
BEFORE = "0005_snapshot_mac"


def stored() -> UUID:
    id = uuid4()
    metadata = Metadata(actor="rita", door="api")
    event_store().append("candidate", id, [added(), noted()], expected=0, metadata=metadata)
    return id


def migrate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("migrate", *arguments, verbosity=1, stdout=out)
    return out.getvalue()


@pytest.fixture
def old_log() -> Iterator[list[UUID]]:
    """Two streams, of the middle of a rotation from one key to another."""
    try:
        with wrapping_keys(1, 2):
            ids = [stored()]
        with wrapping_keys(2, 1):
            ids.append(stored())
        migrate("eventstore", BEFORE)
        assert KeyCheck._meta.db_table not in connection.introspection.table_names()
        assert missing_guards(connection) == []
        yield ids
    finally:
        migrate()


def test_its_keys_are_adopted_by_migrate(old_log: list[UUID]) -> None:
    with wrapping_keys(2, 1, adopted=False):
        told = migrate()
        for value in (1, 2):
            assert f"Adopted for this log: wrapping key {fingerprint(value)}" in told
        old_log.append(stored())
        assert [len(event_store().read_stream(id)) for id in old_log] == [2, 2, 2]
        assert missing_guards(connection) == []
        assert wiring.key_troubles() == []
        out = io.StringIO()
        call_command("eventstore_status", "--json", stdout=out)
        assert json.loads(out.getvalue())["missing_guards"] == []


def test_a_key_that_unwraps_nothing_of_it_is_not(old_log: list[UUID]) -> None:
    with wrapping_keys(3, 1, adopted=False):
        told = migrate()
        assert f"wrapping key {fingerprint(1)}" in told
        assert f"The wrapping key {fingerprint(2)} is not configured" in told
        with pytest.raises(KeyNotAdopted, match=fingerprint(3)):
            stored()
