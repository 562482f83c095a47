"""Killed with SIGKILL at the worst moments, the read models end as a fresh rebuild makes them."""

import os
import random
import signal
import time

import pytest
from django.db import connections
from django.test import override_settings

from candidates.application.commands import InviteCandidate, MoveCandidateToStandby
from candidates.models import CandidateProjection, StatusSpan
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.models import Checkpoint, ParkedStream, StorageEvent
from eventstore.wiring import follower, projections, repair
from tests.deliveries import caught_up, replayed, rows
from tests.factories import add
from tests.processes import killed, run

pytestmark = pytest.mark.django_db(transaction=True)
RITA = CommandContext(actor="rita", door="api", allows=lambda _: True)
ONE_COMMAND = """
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from tests.factories import add
rita = CommandContext(actor="rita", door="api", allows=lambda _: True)
candidate_service().handle(add(candidate_id=None), rita)
"""
KILLED_BEHIND_THE_COMMIT = f"""
from eventstore.infrastructure.messaging.local import LocalEventPublisher
LocalEventPublisher.publish = reach
{ONE_COMMAND}
"""
KILLED_BETWEEN_TWO_PROJECTIONS = f"""
from candidates.application.span_projector import StatusSpanProjector
StatusSpanProjector.changes = reach
{ONE_COMMAND}
"""
KILLED_BEFORE_THE_CHECKPOINT = """
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.wiring import follower, projections
from eventstore.application.repair import Repair
Repair.run = lambda self, **_: None
DjangoCheckpoints.move = reach
follower(list(projections())).run()
"""
KILLED_IN_A_REPAIR = """
from eventstore.infrastructure.checkpoints import DjangoCheckpoints
from eventstore.wiring import repair
DjangoCheckpoints.move = reach
repair("candidates")
"""


def commands(count: int) -> None:
    service = candidate_service()
    for _ in range(count):
        id = service.handle(add(candidate_id=None), RITA).candidate_id
        service.handle(MoveCandidateToStandby(candidate_id=id), RITA)
        service.handle(InviteCandidate(candidate_id=id), RITA)


def positions() -> set[int]:
    return set(Checkpoint.objects.values_list("position", flat=True))


def last_position() -> int:
    return StorageEvent.objects.order_by("-position").values_list("position", flat=True)[0]


@pytest.mark.parametrize(
    "code", [KILLED_BEHIND_THE_COMMIT, KILLED_BETWEEN_TWO_PROJECTIONS], ids=["first", "second"]
)
@pytest.mark.parametrize("how", ["repair", "follow"])
def test_a_web_process_between_commit_and_delivery(code: str, how: str) -> None:
    commands(2)
    killed(code)
    assert (StorageEvent.objects.count(), StatusSpan.objects.count()) == (7, 6)
    for name in projections():
        if how == "repair":
            assert repair(name).complete
        else:
            follower([name]).run(once=True)
    mended = rows()
    assert (len(mended["CandidateProjection"]), len(mended["StatusSpan"])) == (3, 7)
    assert mended == replayed()


def test_the_next_process_makes_it_good_behind_its_first_command() -> None:
    killed(KILLED_BEHIND_THE_COMMIT)
    assert not CandidateProjection.objects.exists()
    run(f"""
{ONE_COMMAND}
from eventstore.models import Checkpoint
deadline = time.monotonic() + 30
while Checkpoint.objects.filter(position__gt=0).count() < 2 and time.monotonic() < deadline:
    time.sleep(0.01)
""")
    assert CandidateProjection.objects.count() == 2
    assert positions() == {last_position()}
    assert rows() == replayed()


def test_a_follower_between_rows_and_checkpoint() -> None:
    with override_settings(EVENT_DELIVERY="follow"):
        commands(20)
    killed(KILLED_BEFORE_THE_CHECKPOINT)
    # The rows went with the checkpoint that they belong to.
    assert not CandidateProjection.objects.exists()
    assert positions() == {0}
    assert caught_up() == replayed()
    assert positions() == {last_position()}


def test_a_repair_before_it_moves_the_checkpoint() -> None:
    with override_settings(EVENT_DELIVERY="follow"):
        commands(20)
    killed(KILLED_IN_A_REPAIR)
    assert CandidateProjection.objects.count() == 20
    assert positions() == {0}
    for name in projections():
        assert repair(name).complete
    assert rows() == replayed()


@pytest.mark.parametrize(
    ("kills", "seed"), [(20, 1), pytest.param(1000, 2, marks=pytest.mark.long)]
)
def test_followers_that_are_killed_at_any_moment(kills: int, seed: int) -> None:
    chance = random.Random(seed)
    with override_settings(EVENT_DELIVERY="follow"):
        for _ in range(kills):
            commands(8)
            followers = [forked_follower(), forked_follower()]
            time.sleep(chance.uniform(0, 0.15))
            for pid in followers:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    assert Checkpoint.objects.filter(position__gt=last_position()).count() == 0
    assert not ParkedStream.objects.exists()
    assert caught_up() == replayed()
    assert len(rows()["StatusSpan"]) == kills * 24


def forked_follower() -> int:
    """Its process id. Without the second that a process needs to start from nothing."""
    connections.close_all()
    pid = os.fork()
    if pid == 0:
        try:
            follower(list(projections())).run()
        finally:
            os._exit(1)
    return pid
