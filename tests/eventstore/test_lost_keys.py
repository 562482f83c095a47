"""A wrapping key that is declared lost: everything goes on, and says what cannot be read."""

import io
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.urls import reverse
from rest_framework.test import APIClient

from candidates.application.commands import InviteCandidate, NoteOnCandidate
from candidates.models import CandidateProjection, StatusSpan
from eventstore import wiring
from eventstore.application import lost_keys
from eventstore.domain.events import Metadata
from eventstore.domain.exceptions import PersonalDataErased
from eventstore.domain.lost_keys import KeyDeclaredLost
from eventstore.models import StorageEvent, StreamKey
from eventstore.wiring import event_store, existing_secret, secret
from tests.browser import Browser, text_of
from tests.factories import add, added, erased
from tests.given import given
from tests.threads import together
from tests.wrapping_keys import fingerprint, unguarded, wrapping_keys

pytestmark = pytest.mark.django_db(transaction=True)
API = "/api/v1/candidates/"
WHY = "The safe burnt down."
RITA = Metadata(actor="rita", door="api")


def said(command: str, *arguments: str) -> str:
    out = io.StringIO()
    call_command(command, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def declare(value: int = 1, *arguments: str, reason: str = WHY) -> str:
    return said("declare_key_lost", fingerprint(value), "--reason", reason, "--yes", *arguments)


@pytest.fixture
def ann() -> UUID:
    """Added under a key that is lost since; another was added under the one that is there."""
    with wrapping_keys(1):
        profile = {"name": "Ann Lee", "email": "ann@example.org", "source": "fair"}
        id = given(add(candidate_id=None, profile=profile)).candidate_id
        given(NoteOnCandidate(candidate_id=id, text="shy"))
    with wrapping_keys(2):
        given(add(candidate_id=None, profile={"name": "Bob"}))
    return id


def test_replay_and_verification_go_on(ann: UUID) -> None:
    with wrapping_keys(2):
        with pytest.raises(CommandError, match="no wrapping key"):
            said("replay")
        with pytest.raises(CommandError, match="declare_key_lost"):
            said("verify_log")
        assert declare() == "declared lost: the personal data of 1 streams, 0 secrets\n"
        assert said("verify_log").startswith(
            f"not readable: the personal data of stream {ann}: its key was declared lost in "
            "version 3\nverified 4 events"
        )
        assert said("replay", "--check").endswith("0 different, 0 behind\n")
        assert said("replay").startswith("replayed ")
        assert said("replay", "--check").endswith("0 different, 0 behind\n")
        assert wiring.key_troubles() == []
        (first, note, lost) = event_store().read_stream(ann)
        assert lost.event == KeyDeclaredLost(fingerprint=fingerprint(1), reason=WHY)
        assert lost.metadata.door == "command line"
        assert (first.event.profile, note.event.text) == ({"source": "fair"}, "")  # type: ignore[attr-defined]
    row = CandidateProjection.objects.get(pk=ann)
    assert (row.name, row.email, row.profile, row.source) == ("", "", {}, "fair")
    assert (row.version, row.status, row.score) == (3, "ADDED", 80.0)
    assert StatusSpan.objects.filter(candidate=ann).count() == 1


def test_the_candidate_is_shown_and_decided_on(
    ann: UUID,
    user_in: Callable[..., User],
    client_of: Callable[..., APIClient],
    staff: Callable[..., Browser],
) -> None:
    with wrapping_keys(2):
        declare()
        api = client_of(user_in("Recruiters", "Operators"))
        shown = api.get(f"{API}{ann}/").json()
        assert (shown["version"], shown["profile"], shown["status"]) == (3, {}, "ADDED")
        assert api.get(f"{API}{ann}/?version=1").json()["profile"] == {}
        history = api.get(f"{API}{ann}/history/").json()["results"]
        assert KeyDeclaredLost.event_type in history[2].values()
        assert history[2]["data"] == {"fingerprint": fingerprint(1), "reason": WHY}
        assert api.get("/api/v1/events/").json()["results"][-1]["data"]["event"]["reason"] == WHY
        page = staff("Recruiters", name="stan").get(
            reverse("admin:candidates_candidateprojection_change", args=[ann])
        )
        assert "Personal data lost" in text_of(page)
        assert WHY in text_of(page)
        refused = api.post(f"{API}{ann}/note/", {"text": "x"})
        assert (refused.status_code, refused.json()["code"]) == (409, "personal_data_erased")
        assert api.post(f"{API}{ann}/invite/", {}).status_code == 200
        assert CandidateProjection.objects.get(pk=ann).status == "INVITED"


def test_it_needs_the_permission_and_a_reason(ann: UUID) -> None:
    olga = User.objects.create_user("olga")
    with wrapping_keys(2):
        with pytest.raises(CommandError, match=r"permission eventstore\.declare_key_lost"):
            declare(1, "--user", "olga")
        with pytest.raises(CommandError, match="no active user 'nobody'"):
            declare(1, "--user", "nobody")
        for reason in (" ", "x" * 501):
            with pytest.raises(CommandError, match="A reason has 1 to 500 characters"):
                declare(reason=reason)
        assert StreamKey.objects.filter(wrapped__isnull=True).count() == 0
        olga.user_permissions.add(Permission.objects.get(codename="declare_key_lost"))
        declare(1, "--user", "olga")
        assert event_store().read_stream(ann)[-1].metadata.actor == "olga"


def test_only_a_key_that_is_not_here_and_that_wraps_something_is_lost(ann: UUID) -> None:
    with wrapping_keys(2, 1), pytest.raises(CommandError, match="is configured: it is not lost"):
        declare()
    with wrapping_keys(2):
        with pytest.raises(CommandError, match="wraps nothing that is stored"):
            declare(3)
        with pytest.raises(CommandError, match="eight hexadecimal digits"):
            call_command("declare_key_lost", "one", reason=WHY)
        with pytest.raises(CommandError, match="of 1 streams and 0 secrets"):
            said("declare_key_lost", fingerprint(1), "--reason", WHY)
        with (
            override_settings(READ_ONLY=True),
            pytest.raises(CommandError, match="takes no commands"),
        ):
            declare()
        assert StorageEvent.objects.count() == 3


def test_where_every_key_is_lost_a_new_one_is_adopted_afterwards() -> None:
    with wrapping_keys(1):
        given(add(candidate_id=None))
        made = secret("test")
    with wrapping_keys(2, adopted=False):
        with pytest.raises(CommandError, match="Nothing is adopted"):
            said("rotate_keys", "--adopt")
        assert declare().endswith("1 streams, 1 secrets\n")
        assert existing_secret("test") is None
        said("rotate_keys", "--adopt")
        assert secret("test") == secret("test") != made
        given(add(candidate_id=None))
        assert said("verify_log").splitlines()[-1].startswith("verified 3 events")


def test_it_may_be_killed_and_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lost_keys, "CHUNK", 2)
    with wrapping_keys(1):
        ids = [given(add(candidate_id=None)).candidate_id for _ in range(5)]
    with wrapping_keys(2):
        store = event_store().batch().__class__.store

        def dying(batch: object) -> object:
            if StreamKey.objects.filter(wrapped__isnull=True).count() > 2:
                raise KeyboardInterrupt
            return store(batch)  # type: ignore[arg-type]

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(event_store().batch().__class__, "store", dying)
            with pytest.raises(KeyboardInterrupt):
                declare()
        assert StreamKey.objects.filter(wrapped__isnull=True).count() == 2
        assert declare().startswith("declared lost: the personal data of 3 streams")
        assert [len(event_store().read_stream(id)) for id in ids] == [2] * 5


def test_who_decides_meanwhile_is_not_in_its_way() -> None:
    with wrapping_keys(1):
        ids = [given(add(candidate_id=None)).candidate_id for _ in range(20)]
    with wrapping_keys(2):

        def act(number: int) -> None:
            if number:
                declare()
            for id in ids if not number else ():
                given(InviteCandidate(candidate_id=id))

        assert together(2, act) == [None, None]
        for id in ids:
            types = sorted(one.event.event_type for one in event_store().read_stream(id))
            assert types == ["candidate.added", "candidate.invited", KeyDeclaredLost.event_type]
        assert said("replay", "--check").endswith("0 different, 0 behind\n")
        with pytest.raises(PersonalDataErased):
            given(NoteOnCandidate(candidate_id=ids[0], text="x"))


def test_a_tombstone_that_no_event_tells_of_is_reported(ann: UUID) -> None:
    with wrapping_keys(2, 1):
        event_store().erase_personal_data(ann)
        for arguments in ([], ["--stream", str(ann)]):
            with pytest.raises(
                CommandError, match="key is destroyed, and no event says so"
            ) as told:
                said("verify_log", *arguments)
            assert str(ann) in str(told.value)
        end = event_store().head(ann)
        event_store().append("candidate", ann, [erased()], expected=end, metadata=RITA)
        assert said("verify_log").startswith("verified 4 events")
        event_store().erase_personal_data(uuid4())
        with pytest.raises(CommandError, match="key is destroyed, and no event says so"):
            said("verify_log")


def test_an_erasure_without_its_tombstone_is_reported(ann: UUID) -> None:
    with wrapping_keys(2, 1):
        end = event_store().head(ann)
        event_store().append("candidate", ann, [erased()], expected=end, metadata=RITA)
        for arguments in ([], ["--stream", str(ann)]):
            with pytest.raises(CommandError, match="is gone, and its stream's key is not"):
                said("verify_log", *arguments)
        event_store().erase_personal_data(ann)
        assert said("verify_log").startswith("verified 4 events")
        kept = StreamKey.objects.exclude(pk=ann).get().wrapped
        with unguarded():
            StreamKey.objects.filter(pk=ann).update(wrapped=kept)
        with pytest.raises(CommandError, match="is gone, and its stream's key is not"):
            said("verify_log", "--full")


def test_it_can_come_in_the_streams_of_any_aggregate() -> None:
    with wrapping_keys(1):
        id = uuid4()
        event_store().append("cart", id, [added()], expected=0, metadata=RITA)
    with wrapping_keys(2):
        declare()
        assert [one.stream_type for one in event_store().read_stream(id)] == ["cart", "cart"]
        assert said("verify_log").splitlines()[-1].startswith("verified 2 events")


def test_read_models_behind_a_broker_forget_it_when_the_event_comes(ann: UUID) -> None:
    encode, names = wiring.message_encoder(), ("candidates", "candidate_spans")
    with wrapping_keys(2, 1):
        before = [encode(one) for one in event_store().read_stream(ann)]
    with wrapping_keys(2), override_settings(EVENT_DELIVERY="bus"):
        CandidateProjection.objects.all().delete()
        StatusSpan.objects.all().delete()
        intake = wiring.intake(names)
        intake.take(before)
        assert CandidateProjection.objects.get(pk=ann).name == "Ann Lee"
        declare()
        lost = encode(event_store().read_stream(ann)[-1])
        assert b"Ann" not in lost
        intake.take([lost])
        row = CandidateProjection.objects.get(pk=ann)
        assert (row.version, row.name, row.status) == (3, "", "ADDED")
        assert StatusSpan.objects.get(candidate=ann).shown_version == 3
