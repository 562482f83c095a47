"""Tries decisions out and carries them out, and says of each candidate what came of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from django.contrib.auth.models import User
from django.utils.formats import localize
from django.utils.timezone import localtime

from candidates.admin.decision_forms import DecisionForm, Fields, Seen, UndoForm
from candidates.admin.timeline import Entry, timeline
from candidates.application.history import newest_standing_decision
from candidates.application.service import CandidateService, CommandResult
from candidates.models import CandidateProjection
from candidates.wiring import candidate_service, history, trial_service
from eventstore.application.commands import CommandContext
from eventstore.domain.exceptions import (
    DomainError,
    KeyFault,
    StaleVersion,
    UndecodableEvent,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A candidate on the page that asks for confirmation."""

    candidate: CandidateProjection
    seen: Seen
    """The version that this page shows, and that the decision rests on."""
    notice: str
    """Why it has to be ticked here to be decided on; empty where it was chosen as it is shown."""
    objection: str
    """Why the decision would be refused now; empty where it would not."""
    taken_back: Entry | None
    """The decision that an undo is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A candidate on the page that reports."""

    seen: Seen
    candidate: CandidateProjection | None
    result: CommandResult | None
    refusal: str


def proposals(
    user: User,
    form: type[DecisionForm],
    candidates: Iterable[CandidateProjection],
    *,
    looked_at: Mapping[UUID, int] | None = None,
    notices: Mapping[UUID, str] | None = None,
) -> list[Proposal]:
    """Lists the candidates as they are now.

    `looked_at` has the version that the user chose each of them at, as far as that is known. Who
    is at another one now was changed by somebody else, and is not decided on without a new tick.
    `notices` are further reasons to ask for one.
    """
    looked_at, notices = looked_at or {}, notices or {}
    return [
        Proposal(
            candidate=candidate,
            seen=Seen.of(candidate),
            notice=" ".join(
                filter(None, [_moved(candidate, looked_at), notices.get(candidate.pk)])
            ),
            objection=objection(user, form, candidate),
            taken_back=_newest_standing(candidate) if form is UndoForm else None,
        )
        for candidate in candidates
    ]


def _moved(candidate: CandidateProjection, looked_at: Mapping[UUID, int]) -> str:
    version = looked_at.get(candidate.pk, candidate.version)
    if version == candidate.version:
        return ""
    return changed(
        by=candidate.changed_by, at=candidate.changed_at, now=candidate.version, seen=version
    )


def changed(*, by: str, at: datetime, now: int, seen: int) -> str:
    """Says who moved a candidate on since it was looked at."""
    return (
        f"{by} changed this candidate at {localize(localtime(at))}: it is at version "
        f"{now} now, you saw version {seen}."
    )


def objection(user: User, form: type[DecisionForm], candidate: CandidateProjection) -> str:
    """Why the decision would be refused now; empty where it would not. Keeps nothing."""
    seen = Seen.of(candidate)
    tried = _attempt(trial_service(), form, seen, {}, _context(user, seen, token=None, extra={}))
    return tried if isinstance(tried, str) else ""


def carry_out(
    user: User, form: DecisionForm, seen: Sequence[Seen], *, extra: Mapping[str, Any]
) -> list[Outcome]:
    """Each candidate by a command of its own: a refusal stops no other.

    `extra` goes into the metadata of every event.
    """
    service, fields = candidate_service(), form.cleaned_data
    contexts = [_context(user, one, token=fields["token"], extra=extra) for one in seen]
    attempts = [
        _attempt(service, type(form), one, fields, context)
        for one, context in zip(seen, contexts, strict=True)
    ]
    rows = {candidate.pk: candidate for candidate in shown_now(one.candidate_id for one in seen)}
    return [
        Outcome(
            seen=one,
            candidate=rows.get(one.candidate_id),
            result=None if isinstance(attempt, str) else attempt,
            refusal=attempt if isinstance(attempt, str) else "",
        )
        for one, attempt in zip(seen, attempts, strict=True)
    ]


def shown_now(ids: Iterable[UUID]) -> list[CandidateProjection]:
    """What the read model has of them, in the order of the list."""
    return list(CandidateProjection.objects.filter(pk__in=list(ids)).order_by("-added_position"))


def _attempt(
    service: CandidateService,
    decision: type[DecisionForm],
    seen: Seen,
    fields: Fields,
    context: CommandContext,
) -> CommandResult | str:
    """What was done, or why it was refused."""
    try:
        return service.handle(decision.command(seen, fields), context)
    except StaleVersion as stale:
        return changed(
            by=stale.changed_by,
            at=stale.changed_at,
            now=stale.current_version,
            seen=seen.version,
        )
    except (DomainError, KeyFault, UndecodableEvent) as refusal:
        return str(refusal)


def _context(
    user: User, seen: Seen, *, token: UUID | None, extra: Mapping[str, Any]
) -> CommandContext:
    return CommandContext(
        actor=user.get_username(),
        door="admin",
        allows=user.has_perm,
        command_id=uuid5(token, f"user {user.pk} candidate {seen.candidate_id}") if token else None,
        correlation_id=token,
        expected_version=seen.version,
        extra=extra,
    )


def _newest_standing(candidate: CandidateProjection) -> Entry | None:
    try:
        events = history(candidate.pk, until=candidate.version)
    except (DomainError, UndecodableEvent):
        return None  # The objection says it.
    newest = newest_standing_decision(events)
    return timeline(events)[newest.version - 1] if newest else None
