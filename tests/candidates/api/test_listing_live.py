"""Lists that are read in the order of the log while others write."""

from collections.abc import Callable
from threading import Event
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from rest_framework.test import APIClient

from candidates.application.commands import AddCandidate, NoteOnCandidate, RetractCandidate
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service, repair
from eventstore.application.commands import CommandContext
from eventstore.wiring import parked_streams
from tests.candidates.api.requests import URL
from tests.factories import added
from tests.read_models import appended
from tests.threads import in_flight, together

# Committed, since a transaction that has appended can never know what is settled.
pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite has one writer at a time"
)
WRITERS, ADDED_BY_EACH = 4, 12
CONTEXT = CommandContext(actor="rita", door="api", allows=lambda permission: True)


@pytest.fixture
def client(user_in: Callable[..., User]) -> APIClient:
    client = APIClient()
    client.force_authenticate(user_in("Viewers", name="vera"))
    return client


def _add() -> str:
    command = AddCandidate(profile={"name": "Ann"}, score=80)
    return str(candidate_service().handle(command, CONTEXT).candidate_id)


def _note(id: str) -> None:
    candidate_service().handle(NoteOnCandidate(candidate_id=UUID(id), text="Called."), CONTEXT)


def _walk(client: APIClient, query: str) -> list[str]:
    """Ids of all pages, in the order in which they came."""
    seen: list[str] = []
    url: str | None = f"{URL}?{query}"
    while url:
        page = client.get(url)
        assert page.status_code == 200, page.content
        seen += [row["id"] for row in page.json()["results"]]
        url = page.json()["next"]
    return seen


def _in_order_of_adding() -> list[str]:
    ids = CandidateProjection.objects.order_by("added_position").values_list("id", flat=True)
    return [str(id) for id in ids]


def _while_others_add(read: Callable[[], object]) -> None:
    """`read` is called again and again, for the last time when all is written."""
    finished = [Event() for _ in range(WRITERS)]

    def act(number: int) -> None:
        if number < WRITERS:
            try:
                for _ in range(ADDED_BY_EACH):
                    _add()
            finally:
                finished[number].set()
            return
        last = False
        while not last:
            last = all(event.is_set() for event in finished)
            read()

    assert together(WRITERS + 1, act) == [None] * (WRITERS + 1)


def test_the_newest_first_shows_each_once_who_was_there_when_it_began(client: APIClient) -> None:
    there: set[str] = {_add() for _ in range(10)}
    walks: list[list[str]] = []

    _while_others_add(lambda: walks.append(_walk(client, "page_size=3")))

    place = {id: number for number, id in enumerate(_in_order_of_adding())}
    for seen in walks:
        assert there <= set(seen)
        assert seen == sorted(set(seen), key=place.__getitem__, reverse=True)
    assert len(walks[-1]) == 10 + WRITERS * ADDED_BY_EACH


def test_the_oldest_first_is_at_every_moment_the_beginning_of_the_whole_list(
    client: APIClient,
) -> None:
    walks: list[list[str]] = []

    _while_others_add(lambda: walks.append(_walk(client, "ordering=added&page_size=3")))

    complete = _in_order_of_adding()
    for seen in walks:
        assert seen == complete[: len(seen)]
    assert walks[-1] == complete


def test_who_goes_on_from_the_last_change_gets_every_change_once(client: APIClient) -> None:
    seen: list[str] = []
    last = 0

    def read() -> None:
        nonlocal last
        url: str | None = f"{URL}?changed_after={last}&page_size=3"
        while url:
            page = client.get(url).json()
            seen.extend(row["id"] for row in page["results"])
            last = max([last, *(row["position"] for row in page["results"])])
            url = page["next"]

    _while_others_add(read)

    assert sorted(seen) == sorted(_in_order_of_adding())


def test_a_changed_candidate_comes_again_to_who_follows_the_changes(client: APIClient) -> None:
    first, second, third = _add(), _add(), _add()
    position = client.get(f"{URL}?changed_after=0").json()["results"][-1]["position"]
    assert _walk(client, f"changed_after={position}") == []
    _note(second)
    _note(first)
    assert _walk(client, f"changed_after={position}") == [second, first]
    assert _walk(client, "changed_after=0&page_size=1") == [third, second, first]
    assert _walk(client, "changed_after=0&ordering=-added") == [third, second, first]
    assert _walk(client, "ordering=changed") == [third, second, first]


def test_who_follows_the_changes_learns_of_a_retraction(client: APIClient) -> None:
    id, other = _add(), _add()
    candidate_service().handle(RetractCandidate(candidate_id=UUID(id), why="Twice."), CONTEXT)
    assert _walk(client, "") == [other]
    assert _walk(client, "changed_after=0") == [other, id]
    assert _walk(client, "changed_after=0&status=ADDED") == [other]


@on_postgresql
def test_nobody_behind_a_slower_transaction_is_shown_before_it_ends(client: APIClient) -> None:
    before = _add()
    ids: list[str] = []
    with in_flight(lambda: ids.append(_add())):
        behind = _add()
        assert _walk(client, "ordering=added") == [before]
        assert _walk(client, "changed_after=0") == [before]
        assert _walk(client, "ordering=changed") == [before]
        # Who asks for the newest is not made to wait.
        assert _walk(client, "") == [behind, before]
    assert _walk(client, "ordering=added") == [before, *ids, behind]
    assert _walk(client, "changed_after=0") == [before, *ids, behind]


def test_nobody_behind_a_lost_row_is_shown_before_it_is_repaired(client: APIClient) -> None:
    before = _add()
    # Committed, and its process died before the row was written.
    lost = str(appended(added()))
    behind = _add()
    assert _walk(client, "ordering=added") == [before]
    assert _walk(client, "changed_after=0") == [before]
    assert _walk(client, "") == [behind, before]
    repair()
    assert _walk(client, "ordering=added") == [before, lost, behind]
    assert _walk(client, "changed_after=0") == [before, lost, behind]


def test_a_parked_candidate_holds_nobody_back(client: APIClient) -> None:
    before, parked, behind = _add(), appended(added()), _add()
    parked_streams().park(
        "candidates", parked, version=1, event_type="candidate.added", error=RuntimeError()
    )
    assert _walk(client, "ordering=added") == [before, behind]
    assert _walk(client, "changed_after=0") == [before, behind]


def test_a_position_that_the_log_does_not_reach_is_refused(client: APIClient) -> None:
    _add()
    answer = client.get(f"{URL}?changed_after={2**62}")
    assert (answer.status_code, answer.json()["code"]) == (409, "cursor_beyond_log")
