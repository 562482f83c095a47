"""EVENT_DELIVERY: on commit, in the transaction, or by a follower, the rows are the same."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings

from candidates.application.commands import (
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    UndoDecision,
)
from candidates.application.projector import CandidateProjector
from candidates.domain.events import RejectionReason
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.models import ParkedStream, StorageEvent
from eventstore.wiring import follower, projections
from tests.deliveries import DELIVERIES, caught_up, delivered, replayed, rows
from tests.factories import add

pytestmark = pytest.mark.django_db(transaction=True)
RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)


@pytest.fixture(params=DELIVERIES)
def delivery(request: pytest.FixtureRequest) -> Iterator[str]:
    with override_settings(EVENT_DELIVERY=request.param):
        yield request.param


def some_commands(count: int = 12) -> None:
    """A few candidates, each a step further on the path than the one before."""
    service = candidate_service()
    for n in range(count):
        id = service.handle(add(candidate_id=None), RITA).candidate_id
        steps: list[Any] = [
            MoveCandidateToStandby(candidate_id=id),
            InviteCandidate(candidate_id=id),
            NoteOnCandidate(candidate_id=id, text="called"),
            UndoDecision(candidate_id=id, version=3),
            RejectCandidate(candidate_id=id, reason=RejectionReason.WITHDREW),
        ]
        for step in steps[: n % 6]:
            service.handle(step, RITA)


def test_commands_are_shown_as_a_rebuild_shows_them(delivery: str) -> None:
    some_commands()
    shown = rows()
    if delivery in ("follow", "bus"):
        # The process that carries commands out shows nothing.
        assert not any(shown.values())
        shown = caught_up() if delivery == "follow" else delivered(delivery, seed=0)
    assert len(shown["CandidateProjection"]) == 12
    assert shown == replayed()


@pytest.mark.parametrize("seed", range(3))
def test_repeated_and_shuffled_deliveries_make_the_same_rows(delivery: str, seed: int) -> None:
    some_commands()
    expected = replayed()
    assert delivered(delivery, seed=seed) == expected


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def fail(*_: Any) -> None:
        raise RuntimeError("the projector is broken")

    monkeypatch.setattr(CandidateProjector, "changes", fail)
    return monkeypatch


def test_a_projector_that_fails_in_the_transaction_takes_the_command_back(
    broken: pytest.MonkeyPatch,
) -> None:
    with override_settings(EVENT_DELIVERY="in_transaction"):
        with pytest.raises(RuntimeError, match="broken"):
            candidate_service().handle(add(candidate_id=None), RITA)
        assert not StorageEvent.objects.exists()
        assert not any(rows().values())
        assert not ParkedStream.objects.exists()
        broken.undo()
        candidate_service().handle(add(candidate_id=None), RITA)
    assert rows() == replayed()


@pytest.mark.parametrize("how", ["on_commit", "follow"])
def test_a_projector_that_fails_elsewhere_does_not(broken: pytest.MonkeyPatch, how: str) -> None:
    with override_settings(EVENT_DELIVERY=how):
        some_commands(4)
        caught_up()
    assert StorageEvent.objects.count() == 10
    assert not CandidateProjection.objects.exists()
    parked = ParkedStream.objects.values_list("projection", flat=True)
    assert list(parked) == ["candidates"] * 4
    broken.undo()
    follower(list(projections())).run(once=True)
    assert rows() == replayed()
    assert not ParkedStream.objects.exists()
