"""Personal data lies in one ciphertext a stream can open, and nowhere else in the log."""

import io
import os
from types import NoneType
from typing import Annotated, ClassVar
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from candidates.application import commands
from candidates.domain.events import RejectionReason
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.domain.events import DomainEvent, Metadata
from eventstore.domain.exceptions import ConcurrencyError, PersonalDataErased, UndecodableEvent
from eventstore.domain.personal import Personal
from eventstore.infrastructure import rotation
from eventstore.infrastructure.keys import DataKey, Keyring, KeyUnavailable
from eventstore.infrastructure.mapper import EventMapper
from eventstore.infrastructure.triggers import drop_triggers
from eventstore.models import StorageEvent, StreamKey, WrappedSecret
from eventstore.wiring import event_store, existing_secret, secret
from tests.factories import add, added, invited, noted
from tests.given import given
from tests.threads import together
from tests.wrapping_keys import put_in_place_of, unguarded, wrapping_keys

pytestmark = pytest.mark.django_db
SECRETS = ["Ada Lovelace", "ada@example.org", "+44 20 7946", "too shy", "called at nine", "B+ test"]


def loaded(stream_id: UUID) -> list[DomainEvent]:
    stream = event_store().load_stream(stream_id)
    return stream.events if stream else []


def everything_in(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table}")
        return repr([[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in cursor])


def test_no_personal_value_stands_readable_in_the_log() -> None:
    profile = {"name": SECRETS[0], "email": SECRETS[1], "phone": SECRETS[2], "source": "fair"}
    id = given(add(candidate_id=None, profile=profile), command_id=uuid4()).candidate_id
    given(commands.NoteOnCandidate(candidate_id=id, text=SECRETS[4]))
    given(commands.RescoreCandidate(candidate_id=id, score=99.0, why=SECRETS[5]))
    reject = commands.RejectCandidate(
        candidate_id=id, reason=RejectionReason.OTHER, note=SECRETS[3]
    )
    given(reject)

    log = everything_in(StorageEvent._meta.db_table) + everything_in(StreamKey._meta.db_table)
    assert [secret for secret in SECRETS if secret in log] == []
    assert "fair" in log
    assert "command_digest" not in log


@pytest.mark.django_db(transaction=True)
def test_an_erased_stream_is_replayed_without_them() -> None:
    profile = {"name": SECRETS[0], "source": "fair"}
    id = given(add(candidate_id=None, profile=profile)).candidate_id
    event_store().erase_personal_data(id)
    call_command("replay", stdout=io.StringIO(), stderr=io.StringIO())
    row = CandidateProjection.objects.get()
    assert (row.name, row.profile, row.source, row.score) == ("", {"source": "fair"}, "fair", 80.0)


def test_after_an_erasure_a_repeated_key_is_a_repeat_whatever_it_says() -> None:
    context = CommandContext(actor="rita", door="api", allows=lambda _: True, command_id=uuid4())
    first = candidate_service().handle(add(candidate_id=None), context)
    event_store().erase_personal_data(first.candidate_id)
    again = candidate_service().handle(add(candidate_id=None, score=1.0), context)
    assert again.repeated
    assert again.candidate_id == first.candidate_id


def stored() -> StorageEvent:
    metadata = Metadata(actor="rita", door="api")
    stream_id = uuid4()
    event_store().append("candidate", stream_id, [added(), noted()], expected=0, metadata=metadata)
    return StorageEvent.objects.get(stream_id=stream_id, version=2)


@pytest.mark.parametrize("change", ["altered", "moved", "cut", "key moved"])
def test_a_ciphertext_that_was_altered_or_moved_is_not_read(change: str) -> None:
    event, other = stored(), stored()
    first = StorageEvent.objects.get(stream_id=event.stream_id, version=1)
    drop_triggers(connection)
    sealed = bytes(event.personal or b"")
    match change:
        case "altered":
            event.personal = sealed[:-1] + bytes([sealed[-1] ^ 1])
        case "moved":
            event.personal = first.personal
        case "cut":
            event.personal = sealed[:10]
        case "key moved":
            key = StreamKey.objects.get(pk=other.stream_id)
            StreamKey.objects.filter(pk=event.stream_id).update(wrapped=key.wrapped)
    event.save()
    with pytest.raises(UndecodableEvent, match="altered or moved"):
        event_store().read_stream(event.stream_id)
    assert len(loaded(event.stream_id)) == 2


def rotate() -> str:
    out = io.StringIO()
    call_command("rotate_keys", stdout=out)
    return out.getvalue().strip()


def test_keys_are_rotated_without_touching_events() -> None:
    with wrapping_keys(1):
        ids = [stored().stream_id for _ in range(3)]
        event_store().erase_personal_data(ids[2])
        events = list(StorageEvent.objects.order_by("position").values_list())
    with wrapping_keys(2, 1):
        ids.append(stored().stream_id)
        assert rotate() == "rotated 2 keys, 1 were under the newest key already"
        assert rotate() == "rotated 0 keys, 3 were under the newest key already"
    with wrapping_keys(2):
        notes = [event_store().read_stream(id)[1].event.text for id in ids]  # type: ignore[attr-defined]
    assert notes == ["called back", "called back", "", "called back"]
    assert list(StorageEvent.objects.order_by("position").values_list())[: len(events)] == events


def test_a_secret_outlives_the_key_that_wraps_it() -> None:
    with wrapping_keys(1):
        assert existing_secret("test") is None
        made = secret("test")
        assert secret("test") == existing_secret("test") == made != secret("another")
        assert made not in bytes(WrappedSecret.objects.get(pk="test").wrapped or b"")
    with wrapping_keys(2, 1):
        assert rotate() == "rotated 2 keys, 0 were under the newest key already"
        assert rotate() == "rotated 0 keys, 2 were under the newest key already"
    with wrapping_keys(2):
        assert secret("test") == made
    with wrapping_keys(3):
        with pytest.raises(KeyUnavailable, match="no wrapping key"):
            secret("test")
        with pytest.raises(CommandError, match="secret test: no wrapping key"):
            rotate()
    with wrapping_keys(2):
        other = WrappedSecret.objects.get(pk="another").wrapped
        with unguarded():
            WrappedSecret.objects.filter(pk="test").update(wrapped=other)
        with pytest.raises(KeyUnavailable, match="the secret was altered or moved"):
            secret("test")


def test_without_the_wrapping_key_nothing_is_lost_and_the_key_is_named() -> None:
    with wrapping_keys(1):
        id = stored().stream_id
    with wrapping_keys(2):
        with pytest.raises(UndecodableEvent, match=r"no wrapping key [0-9a-f]{8}"):
            event_store().read_stream(id)
        with pytest.raises(CommandError, match=f"stream {id}: no wrapping key"):
            rotate()
        assert len(loaded(id)) == 2
    with wrapping_keys(2, 1):
        assert event_store().read_stream(id)[1].event == noted()


def test_one_key_that_cannot_be_rotated_does_not_keep_the_others_back() -> None:
    with wrapping_keys(1):
        ids = [stored().stream_id for _ in range(3)]
    with wrapping_keys(3):
        lost = stored().stream_id
    put_in_place_of(ids[1], StreamKey.objects.get(pk=ids[0]).wrapped)
    out = io.StringIO()
    with wrapping_keys(2, 1):
        with pytest.raises(CommandError) as told:
            call_command("rotate_keys", stdout=out)
        assert out.getvalue() == "rotated 2 keys, 0 were under the newest key already\n"
        assert told.value.returncode == 1
        assert "2 keys could not be rotated" in str(told.value)
        assert f"stream {ids[1]}: the stream's key was altered or moved" in str(told.value)
        assert f"stream {lost}: no wrapping key " in str(told.value)
    with wrapping_keys(2):
        assert [event_store().read_stream(id)[1].event for id in (ids[0], ids[2])] == [noted()] * 2
    with wrapping_keys(2, 3):
        with pytest.raises(CommandError, match="1 keys could not"):
            rotate()
        assert event_store().read_stream(lost)[1].event == noted()


@pytest.mark.django_db(transaction=True)
def test_a_rotation_that_is_killed_is_taken_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    with wrapping_keys(1):
        ids = [stored().stream_id for _ in range(5)]
    rewrap = Keyring.rewrap
    done: list[UUID] = []

    def dying(ring: Keyring, stream_id: UUID, wrapped: bytes) -> bytes:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(stream_id)
        return rewrap(ring, stream_id, wrapped)

    with wrapping_keys(2, 1):
        monkeypatch.setattr(Keyring, "rewrap", dying)
        with pytest.raises(KeyboardInterrupt):
            rotate()
        assert all(event_store().read_stream(id)[1].event == noted() for id in ids)
        monkeypatch.setattr(Keyring, "rewrap", rewrap)
        assert rotate() == "rotated 3 keys, 2 were under the newest key already"
    with wrapping_keys(2):
        assert all(event_store().read_stream(id)[1].event == noted() for id in ids)


@pytest.mark.django_db(transaction=True)
def test_an_erasure_meanwhile_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with wrapping_keys(1):
        id = stored().stream_id
    rewrap = Keyring.rewrap

    def erasing(ring: Keyring, stream_id: UUID, wrapped: bytes) -> bytes:
        assert event_store().erase_personal_data(stream_id)
        return rewrap(ring, stream_id, wrapped)

    monkeypatch.setattr(Keyring, "rewrap", erasing)
    with wrapping_keys(2, 1):
        assert rotate() == "rotated 0 keys, 0 were under the newest key already"
    assert StreamKey.objects.get(pk=id).wrapped is None


@pytest.mark.django_db(transaction=True)
def test_appends_go_on_while_keys_are_rotated() -> None:
    with wrapping_keys(2, 1):
        id = stored().stream_id

        def act(number: int) -> None:
            metadata = Metadata(actor="rita", door="api")
            for n in range(10):
                if number:
                    rotate()
                else:
                    event_store().append(
                        "candidate", id, [noted()], expected=2 + n, metadata=metadata
                    )
                    stored()

        assert together(2, act) == [None, None]
        assert [one.event for one in event_store().read_stream(id)[1:]] == [noted()] * 11


@pytest.mark.django_db(transaction=True)
def test_a_key_that_is_made_while_its_stream_is_erased_is_destroyed() -> None:
    """Or refused: whoever comes first, nothing can be read afterwards."""
    metadata = Metadata(actor="rita", door="api")
    for _ in range(20):
        id = uuid4()
        event_store().append("candidate", id, [invited()], expected=0, metadata=metadata)

        def act(number: int, id: UUID = id) -> None:
            if number:
                event_store().erase_personal_data(id)
            else:
                event_store().append("candidate", id, [noted()], expected=1, metadata=metadata)

        appended, erased = together(2, act)
        assert erased is None
        assert isinstance(appended, NoneType | PersonalDataErased | ConcurrencyError)
        assert StreamKey.objects.get(pk=id).wrapped is None
        assert [one.event for one in event_store().read_stream(id)[1:]] in ([], [noted(text="")])


def test_a_personal_field_needs_a_default() -> None:
    class Named(DomainEvent):
        event_type: ClassVar[str] = "test.named"

    Named.__annotations__["name"] = Annotated[str, Personal()]
    from dataclasses import dataclass

    with pytest.raises(ValueError, match=r"test\.named\.name is personal and has no default"):
        EventMapper().register([dataclass(frozen=True, kw_only=True)(Named)])


def test_every_ciphertext_is_another() -> None:
    key = DataKey(uuid4(), os.urandom(32))
    assert key.encrypt(b"same", version=1) != key.encrypt(b"same", version=1)
    ring = Keyring([bytes(32)])
    with pytest.raises(KeyUnavailable):
        ring.unwrap(uuid4(), ring.new_key(uuid4())[1])
