import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from eventstore import wiring
from eventstore.application.pausing import troubles as paused
from eventstore.application.ports import Pause
from eventstore.application.status import (
    ConsumedProjection,
    ConsumerStatus,
    ProjectionStatus,
    PublisherStatus,
)
from eventstore.domain.exceptions import LogWasRestored, UnsafeLogRead

PATIENCE = timedelta(minutes=5)
"""How long a transaction may hold readers back before it is somebody's business."""


class Command(BaseCommand):
    help = (
        "Show how far the log goes, how far it may be read, who holds its readers back, and how "
        "each read model and the relay to the broker stand. Exits with 1 when something needs a "
        "person; what an upgrade puts right is a warning, with 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="one JSON object")

    def handle(self, *, as_json: bool, **options: Any) -> None:
        try:
            status = wiring.log_status(connection)
            missing = wiring.missing_log_guards(connection)
            keys = wiring.key_troubles()
            projections = wiring.projection_statuses()
            publisher, consumer = wiring.publisher_status(), wiring.consumer_status()
            pauses = wiring.pauses().all()
            warnings = wiring.warnings(MigrationRecorder(connection).applied_migrations())
        except (LogWasRestored, ImproperlyConfigured, UnsafeLogRead) as error:
            raise CommandError(str(error)) from error
        now = timezone.now()
        show = _as_json if as_json else _as_text
        self.stdout.write(
            show(status, missing, keys, projections, publisher, consumer, pauses, warnings, now)
        )
        troubles = [*_troubles(status, missing, now), *keys, *paused(pauses)]
        troubles += [trouble for one in projections for trouble in one.troubles(now)]
        troubles += publisher.troubles(now) if publisher else ()
        troubles += consumer.troubles(now) if consumer else ()
        if troubles:
            raise CommandError("\n".join(troubles))


def _as_json(
    status: wiring.LogStatus,
    missing: list[str],
    keys: list[str],
    projections: list[ProjectionStatus],
    publisher: PublisherStatus | None,
    consumer: ConsumerStatus | None,
    pauses: Mapping[str, Pause],
    warnings: list[str],
    now: datetime,
) -> str:
    return json.dumps(
        {
            "last_number": status.last_number,
            "settled_position": status.settled,
            "missing_guards": missing,
            "key_troubles": keys,
            "held_back_by": [_holder_as_json(holder, now) for holder in status.holders],
            "projections": [_status_as_json(one) for one in projections],
            "publisher": publisher and _status_as_json(publisher),
            "consumer": consumer
            and {
                "projections": [_status_as_json(one) for one in consumer.projections],
                "strays": consumer.strays,
            },
            "paused": [
                {"name": name, "reason": reason, "since": since.isoformat()}
                for name, (reason, since) in pauses.items()
            ],
            "warnings": warnings,
        },
        ensure_ascii=False,
    )


def _status_as_json(
    one: ProjectionStatus | PublisherStatus | ConsumedProjection,
) -> dict[str, object]:
    return {
        **asdict(one),
        "waiting_since": one.waiting_since and one.waiting_since.isoformat(),
        "seen_at": one.seen_at and one.seen_at.isoformat(),
    }


def _holder_as_json(holder: wiring.Holder, now: datetime) -> dict[str, object]:
    age = holder.age(now)
    return {
        **asdict(holder),
        "since": None if holder.since is None else holder.since.isoformat(),
        "seconds": None if age is None else round(age.total_seconds(), 3),
    }


def _as_text(
    status: wiring.LogStatus,
    missing: list[str],
    keys: list[str],
    projections: list[ProjectionStatus],
    publisher: PublisherStatus | None,
    consumer: ConsumerStatus | None,
    pauses: Mapping[str, Pause],
    warnings: list[str],
    now: datetime,
) -> str:
    lines = [
        ("last number", str(status.last_number)),
        ("settled position", str(status.settled)),
        ("missing guards", ", ".join(missing) or "none"),
        ("wrapping keys", " ".join(keys) or "all that are needed"),
    ]
    for holder in status.holders:
        lines += [
            ("held back", f"behind {holder.after} by {holder}"),
            ("", holder.query),
        ]
    if not status.holders:
        lines.append(("held back", "by nobody"))
    for one in projections:
        waiting = "events" if one.followed else "streams"
        schema = f"schema {one.stored_schema} of {one.schema}"
        lines += [
            (one.name, _behind(one, waiting)),
            ("", f"parked {one.parked}, {schema}, follower {_seen(one)}"),
        ]
    if publisher:
        lines += [
            ("publisher", _behind(publisher, "events")),
            ("", _seen(publisher) + _blocked(publisher)),
        ]
    for fed in consumer.projections if consumer else ():
        schema = f"schema {fed.stored_schema} of {fed.schema}"
        lines += [
            (fed.name, f"received {fed.received}, {fed.waiting} messages waiting{_since(fed)}"),
            ("", f"parked {fed.parked}, {schema}, consumer {_seen(fed)}{_blocked(fed)}"),
        ]
    if consumer:
        lines.append(("stray messages", str(consumer.strays)))
    lines += [
        ("paused", f"{name} since {since:%Y-%m-%d %H:%M:%S %Z}: {reason}")
        for name, (reason, since) in pauses.items()
    ]
    lines += [("warning", warning) for warning in warnings]
    return "\n".join(f"{name:<18}{value}" for name, value in lines)


def _behind(one: ProjectionStatus | PublisherStatus, waiting: str) -> str:
    return f"checkpoint {one.position}, {one.lag} {waiting} behind{_since(one)}"


def _since(one: ProjectionStatus | PublisherStatus | ConsumedProjection) -> str:
    return f", since {one.waiting_since:%Y-%m-%d %H:%M:%S %Z}" if one.waiting_since else ""


def _seen(one: ProjectionStatus | PublisherStatus | ConsumedProjection) -> str:
    return f"seen {one.seen_at:%Y-%m-%d %H:%M:%S %Z}" if one.seen_at else "seen never"


def _blocked(one: PublisherStatus | ConsumedProjection) -> str:
    return f", blocked {one.blocked_by}" if one.blocked_by else ""


def _troubles(status: wiring.LogStatus, missing: list[str], now: datetime) -> Iterator[str]:
    if missing:
        yield (
            f"The log is not protected as it should be: {', '.join(missing)} missing or weakened. "
            "Run `manage.py migrate` as the role that owns the tables."
        )
    for holder in status.holders:
        age = holder.age(now)
        if age is not None and age > PATIENCE:
            yield f"Readers get no further than {holder.after} until {holder}, has ended."
