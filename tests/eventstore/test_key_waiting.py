"""Who reads the log waits for a wrapping key that is not configured, and then goes on."""

import time
from collections.abc import Callable, Sequence
from uuid import UUID

import pytest
from django.test import override_settings

from candidates.models import CandidateProjection
from eventstore import wiring
from eventstore.application.relay import CHECKPOINT
from eventstore.domain.events import RecordedEvent
from eventstore.infrastructure.keys import Keyring
from eventstore.infrastructure.messaging.memory import MemoryEventPublisher
from eventstore.infrastructure.rotation import rotate
from eventstore.models import StorageEvent
from tests.contracts.buses import MemoryBus, body_of
from tests.factories import add
from tests.given import given
from tests.wrapping_keys import fingerprint, key, wrapping_keys

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("candidates", "candidate_spans")


def added_under(value: int) -> UUID:
    with wrapping_keys(value), override_settings(EVENT_DELIVERY="follow"):
        return given(add(candidate_id=None)).candidate_id


def waits_for(name: str) -> str:
    return wiring.checkpoints().all()[name].waits_for


class Impatient:
    """Sleeps not at all; once there was nothing to do for a while, the key is made good."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._deadline = time.monotonic() + 60
        self.waited_for = ""

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, 0.05))
        if not self.waited_for and (what := waits_for(self._name)):
            self.waited_for = what
            # Elsewhere both keys are configured.
            rotate(Keyring([key(1), key(2)]))

    def until(self, done: Callable[[], bool]) -> Callable[[], bool]:
        def stopped() -> bool:
            assert time.monotonic() < self._deadline, "it did not come back"
            return done()

        return stopped


def test_a_follower_waits_by_name_and_other_streams_go_on() -> None:
    first, second, third = added_under(1), added_under(2), added_under(1)
    with wrapping_keys(1):
        end = StorageEvent.objects.latest("position").position
        patience = Impatient("candidates")

        def done() -> bool:
            kept = wiring.checkpoints().all()
            return all(kept[name].position == end for name in NAMES if name in kept)

        shown_meanwhile: list[set[UUID]] = []

        def sleep(seconds: float) -> None:
            if not patience.waited_for and waits_for("candidates"):
                shown_meanwhile.append(
                    set(CandidateProjection.objects.values_list("pk", flat=True))
                )
            patience.sleep(seconds)

        wiring.follower(NAMES, sleep=sleep, stopped=patience.until(done)).run()
        assert f"no wrapping key {fingerprint(2)} is configured" in patience.waited_for
        assert shown_meanwhile[-1] == {first, third}
        assert waits_for("candidates") == ""
        shown = dict(CandidateProjection.objects.values_list("pk", "name"))
    assert set(shown) == {first, second, third}
    assert "" not in shown.values()


def test_the_relay_waits_by_name_and_sends_nothing_out_of_turn() -> None:
    ids = [added_under(1), added_under(2), added_under(1)]
    published: list[UUID] = []

    class Publisher(MemoryEventPublisher):
        def publish(self, events: Sequence[RecordedEvent]) -> None:
            published.extend(one.stream_id for one in events)

    with wrapping_keys(1):
        patience = Impatient(CHECKPOINT)
        before: list[list[UUID]] = []

        def sleep(seconds: float) -> None:
            if not patience.waited_for and waits_for(CHECKPOINT):
                before.append(list(published))
            patience.sleep(seconds)

        stopped = patience.until(lambda: len(published) == len(ids))
        publisher = Publisher(MemoryBus(), body_of, None)
        wiring.relay(publisher, sleep=sleep, stopped=stopped).run()
    assert f"no wrapping key {fingerprint(2)} is configured" in patience.waited_for
    assert before == [ids[:1]]
    assert published == ids
