"""Only a wrapping key that was adopted writes, and one that is needed is missed at once."""

import base64
import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse
from rest_framework.test import APIClient

from candidates.application.commands import InviteCandidate, NoteOnCandidate
from eventstore import wiring
from eventstore.domain.events import Metadata
from eventstore.domain.exceptions import (
    KeyNotAdopted,
    StreamKeyUnavailable,
    WithoutItsKey,
)
from eventstore.infrastructure.key_checks import KeyChecks
from eventstore.infrastructure.keys import Keyring
from eventstore.models import Fingerprint, KeyCheck, StorageEvent, StreamKey, WrappedSecret
from eventstore.wiring import event_store, secret
from recruitment.startup import told_in_one_line
from tests import processes
from tests.browser import Browser, text_of
from tests.factories import add, added, invited, noted
from tests.given import given
from tests.wrapping_keys import (
    fingerprint,
    forgotten,
    key,
    put_in_place_of,
    unguarded,
    wrapping_keys,
)

pytestmark = pytest.mark.django_db
RITA = Metadata(actor="rita", door="api")
API = "/api/v1/candidates/"


def stored() -> UUID:
    id = uuid4()
    event_store().append("candidate", id, [added(), noted()], expected=0, metadata=RITA)
    return id


def rotate(*arguments: str) -> str:
    out = io.StringIO()
    call_command("rotate_keys", *arguments, stdout=out)
    return out.getvalue()


def as_new() -> None:
    """As if nothing had ever been adopted."""
    with unguarded():
        KeyCheck.objects.all().delete()


def problems(client: Client) -> list[str]:
    answer = client.get("/readyz")
    assert answer.status_code == (503 if answer.json()["problems"] else 200)
    found: list[str] = answer.json()["problems"]
    return found


def test_migrate_adopts_the_first_key_of_an_empty_log() -> None:
    with wrapping_keys(1, 2, adopted=False):
        out = io.StringIO()
        call_command("migrate", verbosity=1, stdout=out)
        assert f"Adopted for this log: wrapping key {fingerprint(1)}" in out.getvalue()
        assert not KeyCheck.objects.filter(pk=fingerprint(2)).exists()
        stored()


def test_a_key_that_nobody_adopted_writes_nothing() -> None:
    stored()
    before = StorageEvent.objects.count(), StreamKey.objects.count()
    with wrapping_keys(1, adopted=False):
        call_command("migrate", verbosity=0)
        with pytest.raises(KeyNotAdopted, match=f"wrapping key {fingerprint(1)}"):
            stored()
        with pytest.raises(KeyNotAdopted):
            secret("test")
        batch = event_store().batch()
        with pytest.raises(KeyNotAdopted):
            batch.append("candidate", uuid4(), [added()], expected=0, metadata=RITA)
    assert (StorageEvent.objects.count(), StreamKey.objects.count()) == before
    assert not WrappedSecret.objects.exists()


def test_behind_a_new_key_the_old_one_does_not_write_in_its_place() -> None:
    with wrapping_keys(1):
        id = stored()
    with wrapping_keys(2, 1, adopted=False):
        with pytest.raises(KeyNotAdopted, match=fingerprint(2)):
            given(NoteOnCandidate(candidate_id=id, text="a"))
        assert rotate("--adopt").startswith(f"adopted {fingerprint(2)}\nrotated 1 keys")
        given(NoteOnCandidate(candidate_id=id, text="a"))
    with wrapping_keys(2):
        assert len(event_store().read_stream(id)) == 3


def test_adopting_again_changes_nothing() -> None:
    with wrapping_keys(1):
        assert rotate("--adopt").startswith("adopted none: all were before\n")


def test_a_mistyped_key_is_not_adopted_in_the_place_of_the_one_that_is_needed() -> None:
    with wrapping_keys(1):
        stored()
    with wrapping_keys(2, adopted=False):
        with pytest.raises(CommandError, match="Nothing is adopted: The wrapping key") as told:
            rotate("--adopt")
        assert fingerprint(1) in str(told.value)
        assert not KeyCheck.objects.filter(pk=fingerprint(2)).exists()
        with pytest.raises(CommandError, match="has never been adopted"):
            rotate()


def test_a_check_value_is_of_the_very_key_and_not_of_its_fingerprint() -> None:
    with wrapping_keys(1):
        ring = Keyring([key(1)])
        forged = bytes.fromhex(fingerprint(1)) + bytes(28)
        with unguarded():
            KeyCheck.objects.filter(pk=fingerprint(1)).update(check_value=forged)
        checks = KeyChecks(clock=lambda: None)  # type: ignore[arg-type, return-value]
        with pytest.raises(KeyNotAdopted):
            checks.require(ring)
        with pytest.raises(wiring.KeysLacking, match="by another key with the same fingerprint"):
            checks.adopt(ring)


def test_an_event_that_says_nothing_personal_is_refused_by_commands_too() -> None:
    id = given(add(candidate_id=None)).candidate_id
    with wrapping_keys(1, adopted=False), pytest.raises(KeyNotAdopted):
        given(InviteCandidate(candidate_id=id))


def test_a_log_from_before_there_were_check_values_goes_on() -> None:
    with wrapping_keys(1):
        id = stored()
    as_new()
    with wrapping_keys(1, adopted=False):
        call_command("migrate", verbosity=0)
        assert [one.pk for one in KeyCheck.objects.all()] == [fingerprint(1)]
        stored()
        assert len(event_store().read_stream(id)) == 2


def test_in_the_middle_of_a_rotation_such_a_log_adopts_both() -> None:
    with wrapping_keys(1):
        stored()
    with wrapping_keys(2, 1):
        stored()
    as_new()
    with wrapping_keys(3, 2, 1, adopted=False):
        call_command("migrate", verbosity=0)
    assert {one.pk for one in KeyCheck.objects.all()} == {fingerprint(1), fingerprint(2)}


def test_such_a_log_does_not_adopt_a_key_that_unwraps_nothing_of_it() -> None:
    with wrapping_keys(1):
        stored()
    as_new()
    with wrapping_keys(2, adopted=False):
        call_command("migrate", verbosity=0)
    assert not KeyCheck.objects.exists()


def test_such_a_log_without_anything_personal_adopts_the_first_key() -> None:
    event_store().append("candidate", uuid4(), [invited()], expected=0, metadata=RITA)
    as_new()
    with wrapping_keys(2, adopted=False):
        call_command("migrate", verbosity=0)
    assert [one.pk for one in KeyCheck.objects.all()] == [fingerprint(2)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["stream", "secret"])
def test_a_needed_key_is_missed_by_whoever_asks(client: Client, what: str) -> None:
    with wrapping_keys(1):
        id = stored() if what == "stream" else secret("test").hex()
    with wrapping_keys(2):
        stored()
        named = f"the key of stream {id}" if what == "stream" else "the secret test"
        (problem,) = problems(client)
        assert f"wrapping key {fingerprint(1)} is not configured" in problem
        assert named in problem
        with pytest.raises(SystemCheckError, match=fingerprint(1)):
            call_command("check", databases=["default"], fail_level="WARNING")
        out = io.StringIO()
        with pytest.raises(CommandError, match=fingerprint(1)):
            call_command("eventstore_status", "--json", stdout=out)
        assert json.loads(out.getvalue())["key_troubles"] == [problem]
    with wrapping_keys(2, 1):
        assert problems(client) == []
        call_command("check", databases=["default"], fail_level="WARNING")
        call_command("eventstore_status", stdout=io.StringIO())


@pytest.mark.django_db(transaction=True)
def test_a_web_process_that_starts_says_which_key_it_lacks_and_serves() -> None:
    with wrapping_keys(1):
        stored()
    with wrapping_keys(2):
        environment = {"PERSONAL_DATA_KEYS": base64.b64encode(key(2)).decode()}
        code = "import recruitment.wsgi; print('serving')"
        with processes.running("-c", code, **environment) as process:
            out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "serving\n")
    assert f"The wrapping key {fingerprint(1)} is not configured" in errors


def test_a_key_that_may_not_write_is_a_problem_where_commands_are_taken(client: Client) -> None:
    stored()
    (known,) = settings.PERSONAL_DATA_KEYS
    with forgotten(), override_settings(PERSONAL_DATA_KEYS=[key(1), known]):
        (problem,) = problems(client)
        assert "has never been adopted for this log" in problem
        with override_settings(READ_ONLY=True):
            assert problems(client) == []


def test_one_key_that_was_altered_says_nothing_of_the_others(client: Client) -> None:
    with wrapping_keys(1):
        ids = [stored() for _ in range(3)]
        put_in_place_of(min(ids), bytes.fromhex(fingerprint(1)) + bytes(60))
        assert problems(client) == []
        for id in ids:
            put_in_place_of(id, bytes.fromhex(fingerprint(1)) + bytes(60))
        (problem,) = problems(client)
        assert "was altered or moved" in problem


def test_all_fingerprints_are_found_by_as_many_look_ups(
    django_assert_max_num_queries: Any,
) -> None:
    with wrapping_keys(1, 2, 3):
        for values in ([1, 2, 3], [2, 1, 3], [3, 1, 2]):
            with wrapping_keys(*values):
                for _ in range(5):
                    stored()
        with django_assert_max_num_queries(10):
            assert wiring.key_troubles() == []
    with wrapping_keys(2):
        assert [one[17:25] for one in wiring.key_troubles()] == sorted(
            [fingerprint(1), fingerprint(3)]
        )


def test_a_look_up_reads_an_index_however_many_streams_there_are() -> None:
    with connection.cursor() as cursor:
        cursor.execute(MANY[connection.vendor])
        cursor.execute("ANALYZE eventstore_streamkey")
    keys = StreamKey.objects.annotate(fingerprint=Fingerprint("wrapped"))
    for last in (b"", b"\1\1\1\1", b"\2\2\2\2"):
        plan = keys.filter(fingerprint__gt=last).order_by("fingerprint")[:5].explain()
        assert "eventstore_key_fingerprint" in plan, plan
        assert "TEMP B-TREE" not in plan


MANY = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
    "INSERT INTO eventstore_streamkey (stream_id, wrapped) "
    "SELECT printf('%032x', i), CAST(x'02020202' || printf('%060d', i) AS blob) FROM n",
    "postgresql": "INSERT INTO eventstore_streamkey (stream_id, wrapped) "
    "SELECT lpad(to_hex(i), 32, '0')::uuid, '\\x02020202'::bytea || decode(lpad(to_hex(i), 120, "
    "'0'), 'hex') FROM generate_series(1, 20000) AS i",
}


def test_the_api_answers_503_and_stores_nothing(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    id = given(add(candidate_id=None)).candidate_id
    api = client_of(user_in("Recruiters"))
    body = {"profile": {"name": "Ann"}, "score": 80}
    with wrapping_keys(1, adopted=False):
        for path, sent in (
            ("", body),
            (f"{id}/invite/", {}),
            ("commands/", {"commands": [{"command": "add", "body": body}]}),
        ):
            answer = api.post(API + path, sent)
            assert (answer.status_code, answer["Content-Type"]) == (
                503,
                "application/problem+json",
            )
            assert answer.json()["code"] == "key_not_adopted"
            assert answer.json()["fingerprint"] == fingerprint(1)
            assert int(answer["Retry-After"]) > 0
    assert StorageEvent.objects.count() == 1


def test_where_a_streams_key_is_missing_the_api_answers_503(
    user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    with wrapping_keys(1):
        id = given(add(candidate_id=None)).candidate_id
    api = client_of(user_in("Recruiters"))
    with wrapping_keys(2):
        for answer, code in (
            (api.get(f"{API}{id}/history/"), "key_missing"),
            (api.get(f"{API}{id}/?version=1"), "key_missing"),
            (api.post(f"{API}{id}/note/", {"text": "late"}), "key_unavailable"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, code)
            assert int(answer["Retry-After"]) > 0
        assert api.get(f"{API}{id}/").status_code == 200
        assert api.post(f"{API}{id}/invite/", {}).status_code == 200
        with pytest.raises(StreamKeyUnavailable):
            given(NoteOnCandidate(candidate_id=id, text="a"))
        with pytest.raises(WithoutItsKey, match=f"no wrapping key {fingerprint(1)}"):
            event_store().read_stream(id)
    with wrapping_keys(2, 1):
        assert api.post(f"{API}{id}/note/", {"text": "late"}).status_code == 200
    assert StorageEvent.objects.count() == 3


def test_a_command_of_manage_py_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with wrapping_keys(1, adopted=False), pytest.raises(SystemExit), told_in_one_line():
        given(add(candidate_id=None))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"Error: Nothing is stored: the wrapping key {fingerprint(1)}")


def test_the_admin_shows_a_page_that_says_so(staff: Callable[..., Browser]) -> None:
    id = given(add(candidate_id=None)).candidate_id
    rita = staff("Recruiters")
    decide = reverse("admin:candidates_candidateprojection_decide", args=["invite"])
    form = rita.get(decide, {"candidate": str(id)})
    fields = {"seen": f"{id}:1", "token": form.context["form"]["token"].value()}
    with wrapping_keys(1, adopted=False):
        shown = rita.get(decide, {"candidate": str(id)}, follow=True)
        assert "has never been adopted for this log" in text_of(shown)
        refused = rita.post(decide, fields)
        assert refused.status_code == 200
        assert "has never been adopted for this log" in text_of(refused)
    assert StorageEvent.objects.count() == 1
    assert "Invite" in text_of(rita.post(decide, fields))
    assert StorageEvent.objects.count() == 2
