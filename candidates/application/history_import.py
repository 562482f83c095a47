"""Turns the rows of another system's log into commands, in file order, each row at most once."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from candidates.application.commands import (
    AddCandidate,
    CandidateCommand,
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    RescoreCandidate,
)
from candidates.application.history_map import HistoryMap, Step
from candidates.application.history_rows import Row, UnreadableRow
from candidates.application.history_values import BadRow
from candidates.application.service import CandidateService
from eventstore.application.commands import CommandContext
from eventstore.application.ports import EventStore
from eventstore.domain.exceptions import DomainError, InvalidValue, UndecodableEvent

SOURCE_ROW = "source_row"
"""The metadata key under which an event keeps the line that it came from."""


class Outcome(StrEnum):
    ADDED = "added"
    STANDBY = "standby"
    INVITED = "invited"
    REJECTED = "rejected"
    RESCORED = "rescored"
    NOTED = "noted"
    REFUSED = "refused"
    IGNORED = "ignored"
    KNOWN = "known"
    """At or before the newest row stored of its stream: decided by an earlier run."""
    CHANGED = "changed"
    """A row that was taken says something else by now; it is not carried out."""


_DONE: dict[type[CandidateCommand], Outcome] = {
    AddCandidate: Outcome.ADDED,
    MoveCandidateToStandby: Outcome.STANDBY,
    InviteCandidate: Outcome.INVITED,
    RejectCandidate: Outcome.REJECTED,
    RescoreCandidate: Outcome.RESCORED,
    NoteOnCandidate: Outcome.NOTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a row, or of one of its commands.

    Names the row by line and key alone: reports hold nothing personal.
    """

    outcome: Outcome
    line: int
    key: str = ""
    code: str = ""
    """Why it was refused."""
    detail: str = ""
    """The same in words that quote nothing of the row."""
    unreadable: bool = False
    """Refused for what stands in the file, and not by a rule."""


class HistoryImport:
    """Rows of one stream must be offered in rising lines; streams may be mixed at will."""

    def __init__(
        self,
        history_map: HistoryMap,
        *,
        service: CandidateService,
        store: EventStore,
        batch_id: UUID,
    ) -> None:
        self._map = history_map
        self._service = service
        self._store = store
        self._batch_id = batch_id
        self._newest: dict[UUID, int] = {}

    def take(self, row: Row | UnreadableRow) -> list[Taken]:
        """Carry out what a row asks for. Returns an outcome for each of its commands, else one.

        A row that cannot be read is refused whole and changes nothing. Where a rule refuses one
        command of several, the others are carried out.
        """
        key = self._map.key_of(row.cells)
        if isinstance(row, UnreadableRow):
            return [_unreadable(row.line, key, row.code, row.detail)]
        try:
            steps = self._map.steps_of(row.cells)
        except BadRow as bad:
            return [_unreadable(row.line, key, bad.code, bad.detail)]
        if not steps:
            return [Taken(outcome=Outcome.IGNORED, line=row.line, key=key)]
        candidate_id = self._map.candidate_id(key)
        try:
            known = row.line <= self._newest_row(candidate_id)
        except UndecodableEvent as error:
            return [_unreadable(row.line, key, error.code, str(error)) for _ in steps]
        if known:
            return [Taken(outcome=Outcome.KNOWN, line=row.line, key=key) for _ in steps]
        return [self._carry_out(row.line, key, number, step) for number, step in enumerate(steps)]

    def _carry_out(self, line: int, key: str, number: int, step: Step) -> Taken:
        context = CommandContext(
            actor=step.actor,
            door="import",
            allows=lambda _: True,
            command_id=self._map.command_id(key, line, number),
            correlation_id=self._batch_id,
            occurred_at=step.occurred_at,
            extra={SOURCE_ROW: line},
        )
        try:
            result = self._service.handle(step.command, context)
        except InvalidValue as invalid:
            return _refused(line, key, invalid.rule)
        except DomainError as refused:
            return _refused(line, key, refused.code)
        except UndecodableEvent as error:
            return _unreadable(line, key, error.code, str(error))
        self._newest[result.candidate_id] = line
        # Repeated: a run at the same time was faster.
        outcome = Outcome.KNOWN if result.repeated else _DONE[type(step.command)]
        return Taken(outcome=outcome, line=line, key=key)

    def _newest_row(self, candidate_id: UUID) -> int:
        if candidate_id not in self._newest:
            stored = self._store.read_stream(candidate_id)
            rows = [recorded.metadata.extra.get(SOURCE_ROW, 0) for recorded in stored]
            self._newest[candidate_id] = max(rows, default=0)
        return self._newest[candidate_id]


def _refused(line: int, key: str, code: str) -> Taken:
    return Taken(outcome=Outcome.REFUSED, line=line, key=key, code=code)


def _unreadable(line: int, key: str, code: str, detail: str) -> Taken:
    return Taken(
        outcome=Outcome.REFUSED,
        line=line,
        key=key.encode("utf-8", "backslashreplace").decode(),
        code=code,
        detail=detail,
        unreadable=True,
    )
