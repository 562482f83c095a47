"""Many writers at once, with real threads and real commits."""

from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import transaction

from candidates.application.commands import InviteCandidate, NoteOnCandidate
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.domain.events import Metadata
from eventstore.domain.exceptions import ConcurrencyError
from eventstore.models import StorageEvent
from eventstore.wiring import event_store
from tests.factories import add, added, noted
from tests.threads import together

pytestmark = pytest.mark.django_db(transaction=True)
RITA = Metadata(actor="rita", door="api")


def context(**terms: Any) -> CommandContext:
    return CommandContext(actor="rita", door="api", allows=lambda _: True, **terms)


@pytest.mark.parametrize("version", [0, 1], ids=["new stream", "existing stream"])
def test_of_eight_writers_at_one_version_exactly_one_wins(version: int) -> None:
    stream_id = uuid4()
    if version:
        event_store().append("candidate", stream_id, [added()], expected=0, metadata=RITA)
    event = noted() if version else added()

    results = together(
        8,
        lambda _: event_store().append(
            "candidate", stream_id, [event], expected=version, metadata=RITA
        ),
    )

    assert Counter(type(result) for result in results) == {list: 1, ConcurrencyError: 7}
    assert event_store().head(stream_id).version == version + 1


@pytest.mark.parametrize("version", [0, 1], ids=["new stream", "existing stream"])
def test_inside_a_transaction_the_losers_transactions_stay_usable(version: int) -> None:
    stream_id = uuid4()
    if version:
        event_store().append("candidate", stream_id, [added()], expected=0, metadata=RITA)
    event = noted() if version else added()

    def write(number: int) -> bool:
        with transaction.atomic():
            Group.objects.create(name=f"before {number}")
            try:
                event_store().append(
                    "candidate", stream_id, [event], expected=version, metadata=RITA
                )
                won = True
            except ConcurrencyError:
                won = False
            Group.objects.create(name=f"after {number}")
        return won

    results = together(8, write)

    assert Counter(results) == {True: 1, False: 7}
    assert event_store().head(stream_id).version == version + 1
    assert Group.objects.filter(name__startswith="before").count() == 8
    assert Group.objects.filter(name__startswith="after").count() == 8


def test_twenty_twins_of_one_command_store_one_event_and_get_one_answer() -> None:
    candidate_id = candidate_service().handle(add(candidate_id=None), context()).candidate_id
    terms = context(command_id=uuid4())

    def twin(_: int) -> tuple[UUID, int, str, int]:
        result = candidate_service().handle(InviteCandidate(candidate_id=candidate_id), terms)
        return result.events[0].event_id, result.version, result.status, result.position

    answers = together(20, twin)

    assert len(set(answers)) == 1, answers
    assert StorageEvent.objects.filter(event_type="candidate.invited").count() == 1


def test_twenty_twins_of_one_add_make_one_candidate() -> None:
    terms = context(command_id=uuid4())
    command = add(candidate_id=None)

    ids = together(20, lambda _: candidate_service().handle(command, terms).candidate_id)

    assert len(set(ids)) == 1, ids
    assert StorageEvent.objects.count() == CandidateProjection.objects.count() == 1


def test_who_states_no_version_is_not_turned_away_by_others() -> None:
    candidate_id = candidate_service().handle(add(candidate_id=None), context()).candidate_id

    results = together(
        12,
        lambda n: (
            candidate_service()
            .handle(NoteOnCandidate(candidate_id=candidate_id, text=f"note {n}"), context())
            .version
        ),
    )

    assert sorted(results, key=str) == sorted(range(2, 14), key=str)
    row = CandidateProjection.objects.get()
    assert row.version == 13
