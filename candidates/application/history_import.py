"""Turns the rows of another system's log into commands, in file order, each row at most once."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from candidates.application.commands import (
    AddCandidate,
    CandidateCommand,
    InviteCandidate,
    MoveCandidateToStandby,
    RejectCandidate,
)
from candidates.application.history_map import BadRow, HistoryMap, Rule
from candidates.application.service import CandidateService
from eventstore.application.commands import CommandContext
from eventstore.application.ports import EventStore
from eventstore.domain.events import stream_id_of
from eventstore.domain.exceptions import DomainError, InvalidValue

SOURCE_ROW = "source_row"
"""The metadata key under which an event keeps the line that it came from."""


class Outcome(StrEnum):
    ADDED = "added"
    STANDBY = "standby"
    INVITED = "invited"
    REJECTED = "rejected"
    REFUSED = "refused"
    IGNORED = "ignored"
    KNOWN = "known"
    """At or before the newest row stored of its stream: decided by an earlier run."""


_DONE = {
    "add": Outcome.ADDED,
    "standby": Outcome.STANDBY,
    "invite": Outcome.INVITED,
    "reject": Outcome.REJECTED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a row. Names the row by line and key alone: reports hold nothing personal."""

    outcome: Outcome
    line: int
    key: str = ""
    code: str = ""
    """Why it was refused."""


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

    def take(self, line: int, row: Mapping[str | None, Any]) -> Taken:
        """Decide one row, its cells by column; empty where it could not be read at all.

        Surplus cells stand under None, missing ones are None. A bad row is refused and changes
        nothing.
        """
        key = row.get(self._map.stream) or ""
        try:
            _check_cells(row)
            rule = self._map.rules.get(row[self._map.activity])
            if rule is None:
                return Taken(outcome=Outcome.IGNORED, line=line, key=key)
            if not key:
                raise BadRow("blank_key")
            return self._decide(line, key, row, rule)
        except BadRow as bad:
            return Taken(outcome=Outcome.REFUSED, line=line, key=_printable(key), code=bad.code)
        except InvalidValue as invalid:
            return Taken(outcome=Outcome.REFUSED, line=line, key=_printable(key), code=invalid.rule)
        except DomainError as refused:
            return Taken(outcome=Outcome.REFUSED, line=line, key=key, code=refused.code)

    def _decide(self, line: int, key: str, row: Mapping[Any, str], rule: Rule) -> Taken:
        candidate_id = stream_id_of(self._map.stream_key(key))
        if line <= self._newest_row(candidate_id):
            return Taken(outcome=Outcome.KNOWN, line=line, key=key)
        context = CommandContext(
            actor=row[self._map.actor] or self._map.system,
            door="import",
            allows=lambda _: True,
            command_id=self._map.command_id(key, line),
            correlation_id=self._batch_id,
            occurred_at=self._map.time_of(row),
            extra={SOURCE_ROW: line},
        )
        result = self._service.handle(self._command(candidate_id, row, rule), context)
        self._newest[candidate_id] = line
        # Repeated: a run at the same time was faster.
        outcome = Outcome.KNOWN if result.repeated else _DONE[rule.command]
        return Taken(outcome=outcome, line=line, key=key)

    def _command(self, candidate_id: UUID, row: Mapping[Any, str], rule: Rule) -> CandidateCommand:
        match rule.command:
            case "add":
                return AddCandidate(
                    candidate_id=candidate_id,
                    profile=self._map.profile_of(row),
                    score=self._map.score_of(row),
                )
            case "standby":
                return MoveCandidateToStandby(candidate_id=candidate_id)
            case "invite":
                return InviteCandidate(candidate_id=candidate_id)
        return RejectCandidate(candidate_id=candidate_id, reason=rule.reason)

    def _newest_row(self, candidate_id: UUID) -> int:
        if candidate_id not in self._newest:
            stored = self._store.read_stream(candidate_id)
            rows = [recorded.metadata.extra.get(SOURCE_ROW, 0) for recorded in stored]
            self._newest[candidate_id] = max(rows, default=0)
        return self._newest[candidate_id]


def _check_cells(row: Mapping[str | None, Any]) -> None:
    """Raises BadRow."""
    if not row:
        raise BadRow("unreadable_row")
    if None in row:
        raise BadRow("surplus_column")
    for cell in row.values():
        if cell is None:
            raise BadRow("missing_column")
        if not cell.isascii() and _printable(cell) != cell:
            raise BadRow("not_utf8")


def _printable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
