"""The ways in which one log becomes rows, and what the rows are then."""

import io
import random
import time
from collections.abc import Sequence
from typing import Any

from django.core.management import call_command
from django.db import transaction
from django.test import override_settings

from candidates.models import CandidateProjection, StatusSpan
from eventstore.application.follower import Follower
from eventstore.domain.events import RecordedEvent
from eventstore.models import Checkpoint, ParkedStream, WaitingMessage
from eventstore.wiring import (
    checkpoints,
    deliveries,
    event_store,
    intake,
    message_encoder,
    parked_streams,
    projections,
    publisher,
    unit_of_work,
)

DELIVERIES = ("on_commit", "in_transaction", "follow", "bus")
MODELS = (CandidateProjection, StatusSpan)


def rows() -> dict[str, list[dict[str, Any]]]:
    """Every column of every row of every projection."""
    return {
        model.__name__: list(map(dict, model._default_manager.order_by("pk").values()))
        for model in MODELS
    }


def forget() -> None:
    """As if nothing had ever been projected."""
    for model in (*MODELS, Checkpoint, ParkedStream, WaitingMessage):
        model._default_manager.all().delete()


def replayed() -> dict[str, list[dict[str, Any]]]:
    """The rows after a fresh rebuild."""
    call_command("replay", stdout=io.StringIO(), stderr=io.StringIO())
    return rows()


def caught_up() -> dict[str, list[dict[str, Any]]]:
    """The rows after a follower went over the log, batch by batch, with no repair before."""
    Follower(
        list(deliveries().values()),
        [],
        store=event_store(),
        checkpoints=checkpoints(),
        parked=parked_streams(),
        monotonic=time.monotonic,
        sleep=time.sleep,
        stopped=lambda: False,
    ).run(once=True)
    return rows()


def delivered(delivery: str, *, seed: int) -> dict[str, list[dict[str, Any]]]:
    """The rows that this way makes of the log, with many events delivered twice or out of turn."""
    forget()
    with override_settings(EVENT_DELIVERY=delivery):
        if delivery == "follow":
            return caught_up()
        chance = random.Random(seed)
        log: list[RecordedEvent] = []
        while page := event_store().read_all(after=log[-1].position if log else 0, limit=5_000):
            log += page
        log += chance.sample(log, len(log) // 4)
        # Far enough to be out of turn, near enough that streams are still mixed with others.
        log.sort(key=lambda recorded: recorded.position + chance.randint(0, 40))
        deliver = _consume if delivery == "bus" else _deliver
        for chunk in range(0, len(log), 500):
            deliver(log[chunk : chunk + 500])
    return rows()


def _consume(log: Sequence[RecordedEvent]) -> None:
    intake(list(projections())).take([message_encoder()(recorded) for recorded in log])


def _deliver(log: Sequence[RecordedEvent]) -> None:
    with transaction.atomic():
        for recorded in log:
            with unit_of_work():
                publisher().publish([recorded])
