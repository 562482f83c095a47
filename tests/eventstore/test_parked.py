"""Parked streams as operators see them, on the command line and in the admin."""

import io
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.urls import reverse

from candidates.application.commands import NoteOnCandidate
from candidates.application.projector import CandidateProjector
from candidates.models import CandidateProjection
from eventstore.domain.events import RecordedEvent
from eventstore.models import ParkedStream
from tests.browser import Browser, text_of
from tests.factories import add
from tests.given import given
from tests.wrapping_keys import put_in_place_of

pytestmark = pytest.mark.django_db
LIST = reverse("admin:eventstore_parkedstream_changelist")
Staff = Callable[..., Browser]


class Broken:
    """A projector of candidates that fails on events of these versions."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.versions: set[int] = set()
        changes = CandidateProjector.changes

        def fail_on_some(projector: CandidateProjector, recorded: RecordedEvent) -> Any:
            if recorded.version in self.versions:
                raise ValueError("Zoë, zoe@example.org")
            return changes(projector, recorded)

        monkeypatch.setattr(CandidateProjector, "changes", fail_on_some)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Broken:
    return Broken(monkeypatch)


def parked_at(broken: Broken, version: int, *, of: int = 3) -> UUID:
    """A candidate of so many events whose row has stopped before this one."""
    broken.versions = {version}
    id = given(add(candidate_id=uuid4())).candidate_id
    for _ in range(of - 1):
        given(NoteOnCandidate(candidate_id=id, text="called"))
    return id


def parked(*arguments: object) -> list[str]:
    out = io.StringIO()
    call_command("parked", *map(str, arguments), stdout=out)
    return out.getvalue().splitlines()


def shown(id: UUID) -> int:
    row = CandidateProjection.objects.filter(pk=id).first()
    return row.version if row else 0


def test_nothing_parked_is_listed_as_nothing() -> None:
    assert parked("list") == ["0 parked"]
    assert parked("retry") == ["0 released, 0 still parked"]


def test_the_list_names_stream_event_place_and_attempts(broken: Broken) -> None:
    id = parked_at(broken, 2)
    line, count = parked("list")
    assert line.startswith(f"candidates {id} version 2 (candidate.noted): ValueError at {__name__}")
    assert "; attempt 1, again at 20" in line
    assert "Zoë" not in line
    assert count == "1 parked"
    assert parked("list", "candidate_spans") == ["0 parked"]
    assert len(parked("list", "candidates")) == 2


def test_a_retry_brings_the_row_up_to_the_log(broken: Broken) -> None:
    ids = [parked_at(broken, version) for version in (1, 2, 3)]
    assert [shown(id) for id in ids] == [0, 1, 2]
    broken.versions = set()
    assert parked("retry", "candidates", ids[0]) == ["1 released, 0 still parked"]
    assert [shown(id) for id in ids] == [3, 1, 2]
    assert parked("retry") == ["2 released, 0 still parked"]
    assert [shown(id) for id in ids] == [3, 3, 3]


def test_a_retry_that_fails_says_so_and_exits_with_1(broken: Broken) -> None:
    id = parked_at(broken, 2)
    said: list[str] = []
    for attempt in range(2, 6):
        with pytest.raises(CommandError, match=rf"{id} version 2 .* attempt {attempt}, ") as told:
            parked("retry", "candidates")
        assert told.value.returncode == 1
        said.append(str(told.value))
    assert [words.endswith("not again") for words in said] == [False, False, False, True]
    assert shown(id) == 1


def test_what_cannot_be_retried_keeps_no_other_from_its_turn(broken: Broken) -> None:
    gone, unreadable, fine = (parked_at(broken, 2) for _ in range(3))
    broken.versions = set()
    ParkedStream.objects.filter(stream_id=gone).update(projection="gone")
    put_in_place_of(unreadable, b"not a key")

    out = io.StringIO()
    with pytest.raises(CommandError) as caught:
        call_command("parked", "retry", stdout=out)

    assert out.getvalue() == "1 released, 2 still parked\n"
    assert f"There is no projection gone any more, for {gone}." in str(caught.value)
    assert "candidate.noted" in str(caught.value)
    assert shown(fine) == 3
    assert set(ParkedStream.objects.values_list("stream_id", flat=True)) == {gone, unreadable}


def test_skipping_leaves_out_one_event(broken: Broken) -> None:
    id = parked_at(broken, 2)
    assert parked("skip", "candidates", id) == ["1 released, 0 still parked"]
    assert shown(id) == 3
    assert parked("list") == ["0 parked"]


def test_the_first_event_is_not_skipped(broken: Broken) -> None:
    id = parked_at(broken, 1)
    with pytest.raises(CommandError, match="no row of stream"):
        parked("skip", "candidates", id)
    assert (shown(id), parked("list")[-1]) == (0, "1 parked")


@pytest.mark.parametrize("action", ["retry", "skip"])
def test_what_is_not_parked_is_refused(action: str) -> None:
    with pytest.raises(CommandError, match="is not parked for candidates"):
        parked(action, "candidates", uuid4())
    with pytest.raises(
        CommandError, match="no projection spams; there are candidates, candidate_s"
    ):
        parked(action, "spams", uuid4())


def page_of(id: UUID) -> str:
    pk = ParkedStream.objects.get(stream_id=id).pk
    return reverse("admin:eventstore_parkedstream_change", args=[pk])


def act(action: str, id: UUID) -> str:
    pk = ParkedStream.objects.get(stream_id=id).pk
    return reverse(f"admin:eventstore_parkedstream_{action}", args=[pk])


def test_operators_see_what_is_parked(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    browser = staff("Operators")
    assert str(id) in text_of(browser.get(LIST))
    text = text_of(browser.get(page_of(id)))
    assert "candidate.noted" in text
    assert f"ValueError at {__name__}" in text
    assert "Zoë" not in text
    assert "Skip the event" in text


@pytest.mark.parametrize("group", ["Recruiters", "Viewers"])
def test_others_do_not(staff: Staff, broken: Broken, group: str) -> None:
    id = parked_at(broken, 2)
    browser = staff(group)
    for url in (LIST, page_of(id), act("retry", id), act("skip", id)):
        assert browser.get(url).status_code == 403
        assert browser.post(url, {"version": 2}).status_code == 403
    assert shown(id) == 1


def test_who_may_only_look_is_offered_nothing(
    staff: Staff, broken: Broken, django_user_model: Any
) -> None:
    id = parked_at(broken, 2)
    browser = staff()
    looking = Permission.objects.get(codename="view_parkedstream")
    django_user_model.objects.get().user_permissions.add(looking)
    text = text_of(browser.get(page_of(id)))
    assert "Skip the event" not in text
    assert browser.post(act("retry", id)).status_code == 403


@pytest.mark.parametrize("action", ["retry", "skip"])
def test_looking_at_the_confirmation_changes_nothing(
    staff: Staff, broken: Broken, action: str
) -> None:
    id = parked_at(broken, 2)
    broken.versions = set()
    before = list(ParkedStream.objects.order_by("pk").values())
    response = staff("Operators").get(act(action, id))
    assert response.status_code == 200
    assert "version 2 (candidate.noted)" in text_of(response)
    assert (list(ParkedStream.objects.order_by("pk").values()), shown(id)) == (before, 1)


def test_a_confirmed_retry_mends_the_row(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    broken.versions = set()
    browser = staff("Operators")
    response = browser.post(act("retry", id), {"version": 2}, follow=True)
    assert f"The rows of {id} are up to the log." in text_of(response)
    assert (shown(id), ParkedStream.objects.count()) == (3, 0)


def test_a_retry_that_fails_again_says_where(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    response = staff("Operators").post(act("retry", id), {"version": 2}, follow=True)
    assert "Failed again at version 2: ValueError at" in text_of(response)
    assert (shown(id), ParkedStream.objects.get().attempts) == (1, 2)


def test_a_confirmed_skip_goes_on_behind_the_event(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    staff("Operators").post(act("skip", id), {"version": 2})
    assert (shown(id), ParkedStream.objects.count()) == (3, 0)


def test_a_skip_is_about_the_event_that_was_seen(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    url = act("skip", id)
    broken.versions = {3}
    response = staff("Operators").post(url, {"version": 2}, follow=True)
    assert "Failed again at version 3" in text_of(response)
    assert (shown(id), ParkedStream.objects.get().version) == (2, 3)


def test_what_cannot_be_skipped_is_explained(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 1)
    response = staff("Operators").post(act("skip", id), {"version": 1}, follow=True)
    assert "the first event of a stream cannot be skipped" in text_of(response)


@pytest.mark.parametrize("version", ["", "two", "9" * 5000])
def test_a_form_without_a_version_skips_nothing(staff: Staff, broken: Broken, version: str) -> None:
    id = parked_at(broken, 2)
    assert staff("Operators").post(act("skip", id), {"version": version}).status_code == 400
    assert shown(id) == 1


def test_what_was_released_meanwhile_is_no_error(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    url = act("retry", id)
    broken.versions = set()
    parked("retry")
    response = staff("Operators").post(url, {"version": 2}, follow=True)
    assert "not parked any more" in text_of(response)


def test_a_projection_that_the_code_has_no_more_is_explained(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    ParkedStream.objects.update(projection="gone")
    response = staff("Operators").post(act("retry", id), {"version": 2}, follow=True)
    assert "There is no projection gone any more." in text_of(response)
    with pytest.raises(CommandError, match="no projection gone any more"):
        parked("retry")


def test_other_actions_have_no_address(staff: Staff, broken: Broken) -> None:
    id = parked_at(broken, 2)
    url = act("retry", id).replace("/retry/", "/forget/")
    assert staff("Operators").post(url).status_code == 404
