"""A command with every read model: load three events, decide, append one, project.

The limit is the bare driver's load of three rows and its insert of one, durable, in turn.
"""

from collections.abc import Iterator
from itertools import cycle
from uuid import UUID

import uuid_utils.compat as uuid_utils
from django.db import connection

from candidates.application.commands import (
    CandidateCommand,
    InviteCandidate,
    MoveCandidateToStandby,
    RejectCandidate,
)
from candidates.domain.events import RejectionReason, Status
from candidates.models import CandidateProjection, StatusSpan
from candidates.wiring import candidate_service
from eventstore.application.commands import CommandContext
from eventstore.wiring import event_store, projections
from tests.benchmarks import events
from tests.benchmarks.raw import Raw, raw
from tests.benchmarks.timing import Figure, at_least, seconds
from tests.factories import decision_undone, moved_to_standby

BEFORE = (
    events.ADDED,
    moved_to_standby(),
    decision_undone(undone_type=moved_to_standby().event_type, status=Status.ADDED),
)
LOADED = len(BEFORE)
COMMANDS = 400
"""In one reading, or as many as are stored where that is fewer."""
RITA = CommandContext(actor="rita", door="api", allows=lambda permission: True)


def run(stored: int) -> Iterator[Figure]:
    vendor = connection.vendor
    events.fill(stored)
    limit = raw()
    limit.insert_many(stored)
    commands = min(COMMANDS, stored)
    yield at_least(
        f"command/{vendor}",
        lambda: _ours(commands),
        lambda: _raw(limit, commands),
        ratio=0.50 if vendor == "postgresql" else 0.30,
        unit="commands/s",
    )


def _ours(count: int) -> float:
    candidates = [_candidate() for _ in range(count)]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Plans that were made for empty tables read all of them, until autovacuum comes by.
            cursor.execute("ANALYZE")
    service, commands = candidate_service(), map(_decision, candidates, cycle(range(3)))
    rate = count / seconds(lambda: service.handle(next(commands), RITA), times=count)
    shown = CandidateProjection.objects.filter(pk__in=candidates, version=LOADED + 1).count()
    spans = StatusSpan.objects.filter(candidate__in=candidates, shown_version=LOADED + 1).count()
    if (shown, spans) != (count, count):
        raise RuntimeError(f"Of {count} commands, {shown} and {spans} are shown.")
    return rate


def _candidate() -> UUID:
    """One of three events, as the read models show it."""
    stream_id = uuid_utils.uuid7()
    recorded = event_store().append(
        "candidate", stream_id, BEFORE, expected=0, metadata=events.METADATA
    )
    for projection in projections().values():
        projection.handle(recorded)
    return stream_id


def _decision(candidate_id: UUID, kind: int) -> CandidateCommand:
    if kind == 0:
        return MoveCandidateToStandby(candidate_id=candidate_id)
    if kind == 1:
        return InviteCandidate(candidate_id=candidate_id)
    return RejectCandidate(candidate_id=candidate_id, reason=RejectionReason.OTHER)


def _raw(limit: Raw, count: int) -> float:
    streams = [uuid_utils.uuid7() for _ in range(count)]
    for stream_id in streams:
        limit.insert_stream(stream_id, LOADED)
    left = iter(streams)

    def act() -> None:
        stream_id = next(left)
        limit.insert(stream_id, len(limit.read(stream_id)) + 1)

    return count / seconds(act, times=count)
