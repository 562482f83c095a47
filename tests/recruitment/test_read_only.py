"""READ_ONLY: everything is shown and nothing is decided, whichever door somebody tries."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.urls import reverse
from rest_framework.test import APIClient

from candidates.models import CandidateProjection
from eventstore.models import LogIdentity, StorageEvent
from tests import factories
from tests.browser import Browser, text_of
from tests.given import given
from tests.scenario import CANDIDATE_ID

pytestmark = pytest.mark.django_db
API = "/api/v1/candidates/"
LIST = reverse("admin:candidates_candidateprojection_changelist")
PAGE = reverse("admin:candidates_candidateprojection_change", args=[CANDIDATE_ID])
INVITE = reverse("admin:candidates_candidateprojection_decide", args=["invite"])
HISTORY = Path(__file__).parent.parent / "candidates"
PROFILE: dict[str, Any] = {"profile": {"name": "Ann"}}


@pytest.fixture
def ann() -> UUID:
    return given(factories.add()).candidate_id


@pytest.fixture
def read_only() -> Iterator[None]:
    with override_settings(READ_ONLY=True):
        yield


@pytest.fixture
def api(user_in: Callable[..., User], client_of: Callable[..., APIClient]) -> APIClient:
    return client_of(user_in("Recruiters", "Operators"))


@pytest.fixture
def elsewhere(read_only: None) -> Iterator[None]:
    """A system that is fed by messages, with rows and without a log."""
    CandidateProjection.objects.create(
        pk=CANDIDATE_ID,
        version=2,
        name="Ann",
        status="ADDED",
        score=80.0,
        **PROFILE,
        position=2,
        added_position=1,
        added_at="2026-01-01T00:00Z",
        changed_at="2026-01-01T00:00Z",
        status_since="2026-01-01T00:00Z",
    )
    with override_settings(EVENT_DELIVERY="bus"):
        yield


def refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["code"] == code


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("", {"profile": {}, "score": 80}),
        ("{ann}/invite/", {}),
        ("{ann}/reject/", {"reason": "withdrew"}),
        ("{nobody}/invite/", {}),
        ("commands/", {"commands": [{"command": "add", "body": {"profile": {}, "score": 1}}]}),
        ("commands/", {"commands": [{"command": "hire"}], "atomic": True}),
    ],
)
def test_every_command_is_refused(
    ann: UUID, read_only: None, api: APIClient, path: str, body: dict[str, Any]
) -> None:
    answer = api.post(API + path.format(ann=ann, nobody=uuid4()), body)
    refused(answer, 503, "read_only")
    assert StorageEvent.objects.count() == 1


def test_who_may_not_decide_is_not_told_more(
    ann: UUID, read_only: None, user_in: Callable[..., User], client_of: Callable[..., APIClient]
) -> None:
    viewer = client_of(user_in("Viewers", name="vera"))
    refused(viewer.post(f"{API}{ann}/invite/", {}), 403, "permission_denied")


def test_a_repeat_of_what_was_done_before_is_refused_too(api: APIClient) -> None:
    body, key = {"profile": {}, "score": 80}, {"Idempotency-Key": "1"}
    assert api.post(API, body, headers=key).status_code == 201
    with override_settings(READ_ONLY=True):
        refused(api.post(API, body, headers=key), 503, "read_only")


def test_everything_is_shown(ann: UUID, read_only: None, api: APIClient) -> None:
    paths = ("", f"{ann}/", f"{ann}/?version=1", f"{ann}/history/")
    assert [api.get(API + path).status_code for path in paths] == [200] * 4
    assert api.get("/api/v1/statistics/").status_code == 200


def test_the_admin_says_so_and_offers_no_decision(
    ann: UUID, read_only: None, staff: Callable[..., Browser]
) -> None:
    rita = staff("Recruiters")
    for address in (LIST, PAGE, reverse("admin:index")):
        assert "This system is read-only at the moment" in text_of(rita.get(address))
    assert "Invite" not in text_of(rita.get(PAGE))
    assert 'value="invite"' not in rita.get(LIST).content.decode()


def test_a_decision_that_was_open_in_the_admin_is_not_carried_out(
    ann: UUID, read_only: None, staff: Callable[..., Browser]
) -> None:
    form = {"token": str(uuid4()), "seen": [f"{ann}:1"], "reason": "other", "note": "three mails"}
    page = staff("Recruiters").post(INVITE.replace("invite", "reject"), form)
    assert "Nothing was decided: This system takes no commands at the moment" in text_of(page)
    assert "three mails" in text_of(page)
    assert StorageEvent.objects.count() == 1


def test_otherwise_the_admin_says_nothing_of_it(ann: UUID, staff: Callable[..., Browser]) -> None:
    rita = staff("Recruiters")
    assert "read-only" not in text_of(rita.get(PAGE))
    assert "Invite" in text_of(rita.get(PAGE))
    assert 'value="invite"' in rita.get(LIST).content.decode()


def imported(*arguments: str) -> str:
    out = io.StringIO()
    files = [str(HISTORY / "history.csv"), "--map", str(HISTORY / "history_map.json")]
    call_command("import_history", *files, *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def test_no_history_is_imported_but_it_may_be_tried_out(read_only: None) -> None:
    with pytest.raises(CommandError, match="takes no commands"):
        imported()
    assert "refused" in imported("--dry-run")
    assert not StorageEvent.objects.exists()


@pytest.mark.parametrize(
    "path",
    [
        f"{CANDIDATE_ID}/history/",
        f"{CANDIDATE_ID}/?version=1",
        "?ordering=added",
        "?ordering=changed",
        "?changed_after=0",
    ],
)
def test_without_a_log_nothing_is_told_of_the_past(
    elsewhere: None, api: APIClient, path: str
) -> None:
    refused(api.get(API + path), 404, "not_here")
    assert api.get(f"{API}{CANDIDATE_ID}/").json()["version"] == 2


def test_without_a_log_there_is_no_feed_and_no_name_for_it(elsewhere: None, api: APIClient) -> None:
    refused(api.get("/api/v1/events/"), 404, "not_here")
    assert not LogIdentity.objects.exists()


def test_without_a_log_rows_and_what_is_counted_of_them_are_shown(
    elsewhere: None, api: APIClient
) -> None:
    assert api.get("/api/v1/what-if/?threshold=60").json()["would_pass"]["ADDED"] == 1
    assert api.get("/api/v1/statistics/").status_code == 200


def test_without_a_log_the_page_of_a_candidate_says_where_its_history_is(
    elsewhere: None, staff: Callable[..., Browser]
) -> None:
    rita = staff("Recruiters")
    assert "The log is in another system" in text_of(rita.get(PAGE))
    assert rita.get(f"{PAGE}?version=1").status_code == 404


@pytest.mark.parametrize(
    "command",
    [
        ("follow", "--once"),
        ("replay",),
        ("replay", "--check"),
        ("replay", "--stream", str(CANDIDATE_ID)),
        ("verify_log",),
        ("publish", "--once"),
    ],
)
def test_without_a_log_what_would_read_it_is_refused(
    elsewhere: None, command: tuple[str, ...], settings: Any
) -> None:
    settings.EVENT_BUS_URL = "amqp://127.0.0.1:1/"
    with pytest.raises(CommandError, match="The log is in another system"):
        call_command(*command, stdout=io.StringIO(), stderr=io.StringIO())
    assert CandidateProjection.objects.get().version == 2


def test_without_a_log_no_import_is_tried_out(elsewhere: None) -> None:
    with pytest.raises(CommandError, match="The log is in another system"):
        imported("--dry-run")


def test_a_system_that_writes_has_a_log_even_before_its_first_event(api: APIClient) -> None:
    with override_settings(EVENT_DELIVERY="bus"):
        assert api.get("/api/v1/events/").json()["results"] == []


def test_a_log_that_is_there_is_told_of_while_nothing_is_taken(
    ann: UUID, read_only: None, api: APIClient
) -> None:
    with override_settings(EVENT_DELIVERY="bus"):
        assert api.get(f"{API}{ann}/history/").status_code == 200
