"""Turns the rows of another system's log into commands, in file order, each row at most once."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias
from uuid import UUID, uuid5

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
from candidates.application.ports import Occurrences, TakenRow, TakenRows
from candidates.application.projector import LIFTED_LENGTH
from candidates.application.row_identity import RowIdentity, instant, says
from candidates.application.service import CandidateService
from candidates.domain.events import (
    CandidateAdded,
    CandidateInvited,
    CandidateMovedToStandby,
    CandidateNoted,
    CandidateRejected,
    CandidateRescored,
)
from eventstore.application.commands import CommandContext
from eventstore.application.ports import EventBatch
from eventstore.domain.events import Cursor, DomainEvent, RecordedEvent, event_id_of
from eventstore.domain.exceptions import BatchConflict, DomainError, InvalidValue, UndecodableEvent

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
    """Taken by an earlier run, or by another one at the same time."""
    CHANGED = "changed"
    """It says something else than the row that was taken in its place, and is not carried out."""


_DONE: dict[type[CandidateCommand], Outcome] = {
    AddCandidate: Outcome.ADDED,
    MoveCandidateToStandby: Outcome.STANDBY,
    InviteCandidate: Outcome.INVITED,
    RejectCandidate: Outcome.REJECTED,
    RescoreCandidate: Outcome.RESCORED,
    NoteOnCandidate: Outcome.NOTED,
}


_KINDS: Mapping[type[CandidateCommand], str] = {
    AddCandidate: "add",
    MoveCandidateToStandby: "standby",
    InviteCandidate: "invite",
    RejectCandidate: "reject",
    RescoreCandidate: "rescore",
    NoteOnCandidate: "note",
}
"""Part of what rows are known by: permanent, as the names of events are."""
_EVENTS: Mapping[type[CandidateCommand], type[DomainEvent]] = {
    AddCandidate: CandidateAdded,
    MoveCandidateToStandby: CandidateMovedToStandby,
    InviteCandidate: CandidateInvited,
    RejectCandidate: CandidateRejected,
    RescoreCandidate: CandidateRescored,
    NoteOnCandidate: CandidateNoted,
}
CHANGED = "changed"
IN_WORDS = "Taken before with other content; what is stored stays as it is."
ATTEMPTS = 50
"""At a chunk that others are faster on. Each time one of them has got further."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Outcome of a row, or of one of its commands.

    It names the row by line and key alone, because reports hold nothing personal.
    """

    outcome: Outcome
    line: int
    key: str = ""
    """Empty where the row could not be read, or where what stands in its place is none."""
    code: str = ""
    """Why it was refused; `changed` for what has changed."""
    detail: str = ""
    """The same in words that quote nothing of the row."""
    unreadable: bool = False
    """Refused for what stands in the file, and not by a rule."""


Begin: TypeAlias = Callable[[], tuple[EventBatch, CandidateService]]
"""Gives a new batch, and the service that decides on it."""


class Keep(Protocol):
    def __call__(self, work: Callable[[], object], *, streams: Collection[UUID]) -> object:
        """Do the work in one transaction, in which other batches keep off these streams."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One command that a row asks for, and by what it is known again."""

    line: int
    key: str
    step: Step
    place: UUID
    digest: UUID

    def command_id(self, number: int) -> UUID:
        """Returns the command's id for the row with this number, from 1, among those at its place.

        The id is made only of what the event shows anyway, so no digest of the content gets into
        the log.
        """
        step = self.step
        at = "" if isinstance(step.command, AddCandidate) else instant(step.occurred_at)
        said = f"{_KINDS[type(step.command)]} {at} {number} {step.activity if at else ''}"
        return uuid5(step.candidate_id, said)

    def is_carried_out_by(self, recorded: RecordedEvent) -> bool:
        adds = isinstance(self.step.command, AddCandidate)
        return isinstance(recorded.event, _EVENTS[type(self.step.command)]) and (
            adds or recorded.occurred_at == self.step.occurred_at
        )


class HistoryImport:
    """Takes rows in the order of their file, a chunk in one commit, and each at most once.

    A row is known again by what it says, wherever it stands: see `RowIdentity`. Without `keep`
    nothing is stored: all chunks are decided on one batch. `remember` is told, in the transaction
    of a chunk, at which event of the log the rows taken end.
    """

    def __init__(
        self,
        history_map: HistoryMap,
        *,
        begin: Begin,
        keep: Keep | None,
        identity: RowIdentity,
        taken: TakenRows,
        occurrences: Occurrences,
        batch_id: UUID,
        remember: Callable[[Cursor], object],
    ) -> None:
        self._map = history_map
        self._begin = begin
        self._keep = keep
        self._identity = identity
        self._rows = taken
        self._occurrences = occurrences
        self._batch_id = batch_id
        self._remember = remember
        self._trial = begin() if keep is None else None
        self.position = self._last = 0
        """Position of the last event that was stored; 0 if none was."""

    def take(self, rows: Sequence[Row | UnreadableRow]) -> list[list[Taken]]:
        """Carry out what the next rows of the file ask for.

        Returns for each row an outcome for each of its commands, else one. A row that cannot be
        read is refused whole and changes nothing. Where a rule refuses one command of several,
        the others are carried out.
        """
        read = [self._read(row) for row in rows]
        steps = [said for part in read if isinstance(part, list) for said in part]
        outcomes = iter(self._decided(self._asked(steps)))
        return [
            [next(outcomes) for _ in part] if isinstance(part, list) else [part] for part in read
        ]

    def _read(self, row: Row | UnreadableRow) -> Taken | list[tuple[int, str, Step]]:
        if isinstance(row, UnreadableRow):
            return _unreadable(row.line, "", row.code, row.detail)
        key = self._map.key_of(row.cells)
        try:
            steps = self._map.steps_of(row.cells)
        except BadRow as bad:
            return _unreadable(row.line, key, bad.code, bad.detail)
        if not steps:
            return Taken(outcome=Outcome.IGNORED, line=row.line, key=_shown(key))
        return [(row.line, key, step) for step in steps]

    def _asked(self, steps: Sequence[tuple[int, str, Step]]) -> list[_Asked]:
        identity = self._identity
        places = [self._place(step) for _, _, step in steps]
        contents = [
            identity.content(place, {**step.said, "": instant(step.occurred_at)})
            for place, (_, _, step) in zip(places, steps, strict=True)
        ]
        asked = []
        for (line, key, step), place, content, number in zip(
            steps, places, contents, self._occurrences.met(contents), strict=True
        ):
            digest = identity.digest(content, number)
            asked.append(_Asked(line=line, key=key, step=step, place=place, digest=digest))
        return asked

    def _place(self, step: Step) -> UUID:
        kind = _KINDS[type(step.command)]
        if kind == "add":
            # Nobody is added twice, so when and how it was called makes no difference.
            return self._identity.place(step.candidate_id, kind, "", None)
        return self._identity.place(step.candidate_id, kind, step.activity, step.occurred_at)

    def _decided(self, asked: Sequence[_Asked]) -> list[Taken]:
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._decided_on(*(self._trial or self._begin()), asked)
            except BatchConflict:
                # Somebody else decided on one of the candidates, or took the same rows.
                if attempt == ATTEMPTS:
                    raise

    def _decided_on(
        self, batch: EventBatch, service: CandidateService, asked: Sequence[_Asked]
    ) -> list[Taken]:
        stored = self._rows.at({one.place for one in asked})
        taken = {place: dict(rows) for place, rows in stored.items()}
        unknown = [one for one in asked if one.digest not in taken.get(one.place, ())]
        batch.fetch(
            {one.step.candidate_id for one in unknown},
            command_ids=self._possible_ids(unknown, taken) if self._keep else (),
        )
        by_line = self._taken_by_line(batch, [one for one in unknown if one.place not in taken])
        fresh: list[TakenRow] = []
        outcomes = []
        for one in asked:
            at_place = taken.setdefault(one.place, {})
            if one.digest in at_place or one.digest in by_line:
                outcome = _outcome(one, Outcome.KNOWN)
            elif set(at_place.values()) - {self._batch_id} and not any(
                says(one.digest, other) for other in at_place
            ):
                outcomes.append(_outcome(one, Outcome.CHANGED, CHANGED, IN_WORDS))
                continue
            else:
                outcome = self._carried_out(service, one, len(at_place) + 1)
            outcomes.append(outcome)
            if outcome.outcome is not Outcome.REFUSED and one.digest not in at_place:
                at_place[one.digest] = self._batch_id
                fresh.append(TakenRow(one.place, one.digest, one.step.candidate_id))
        if fresh and self._keep:
            self._keep(
                lambda: self._stored(batch, fresh), streams={row.candidate_id for row in fresh}
            )
            self.position = self._last
        return outcomes

    def _stored(self, batch: EventBatch, fresh: Sequence[TakenRow]) -> None:
        recorded = batch.store()
        self._rows.add(fresh, file=self._batch_id)
        if recorded:
            self._remember(Cursor.at(recorded[-1]))
        # The log has the position only once the transaction is committed.
        self._last = recorded[-1].position if recorded else self.position

    def _possible_ids(
        self, unknown: Sequence[_Asked], taken: Mapping[UUID, Mapping[UUID, UUID]]
    ) -> list[UUID]:
        """Returns the ids of the possible commands, so that one query finds those carried out."""
        numbers: dict[UUID, int] = {}
        ids = []
        for one in unknown:
            before = numbers.get(one.place, len(taken.get(one.place, ())))
            numbers[one.place] = before + 1
            ids.append(one.command_id(before + 1))
        return ids

    def _taken_by_line(self, batch: EventBatch, unknown: Sequence[_Asked]) -> set[UUID]:
        """The digests of rows that were taken before rows were known by what they say."""
        by_id: dict[UUID, list[_Asked]] = {}
        for one in unknown:
            if batch.head(one.step.candidate_id).version:
                command_id = self._map.command_id_by_line(one.key, one.line)
                by_id.setdefault(command_id, []).append(one)
        found = set()
        for command_id in batch.carried_out(by_id):
            event_id = event_id_of(command_id, 0)
            for one in by_id[command_id]:
                # A row whose stream cannot be read is refused later, when the row is decided on.
                with suppress(UndecodableEvent):
                    stream = batch.read_stream(one.step.candidate_id)
                    if any(r.event_id == event_id and one.is_carried_out_by(r) for r in stream):
                        found.add(one.digest)
        return found

    def _carried_out(self, service: CandidateService, one: _Asked, number: int) -> Taken:
        context = CommandContext(
            actor=one.step.actor,
            door="import",
            allows=lambda _: True,
            command_id=one.command_id(number) if self._keep else None,
            correlation_id=self._batch_id,
            occurred_at=one.step.occurred_at,
            extra={SOURCE_ROW: one.line},
        )
        try:
            result = service.handle(one.step.command, context)
        except InvalidValue as invalid:
            return _outcome(one, Outcome.REFUSED, invalid.rule)
        except DomainError as refused:
            return _outcome(one, Outcome.REFUSED, refused.code)
        except UndecodableEvent as error:
            return _unreadable(one.line, one.key, error.code, str(error))
        return _outcome(one, Outcome.KNOWN if result.repeated else _DONE[type(one.step.command)])


def _outcome(one: _Asked, outcome: Outcome, code: str = "", detail: str = "") -> Taken:
    return Taken(outcome=outcome, line=one.line, key=_shown(one.key), code=code, detail=detail)


def _unreadable(line: int, key: str, code: str, detail: str) -> Taken:
    return Taken(
        outcome=Outcome.REFUSED,
        line=line,
        key=_shown(key),
        code=code,
        detail=detail,
        unreadable=True,
    )


def _shown(key: str) -> str:
    """Nothing for what no other system calls anybody: it may be prose that has got there."""
    if len(key) > LIFTED_LENGTH or key.splitlines() != [key]:
        return ""
    return key.encode("utf-8", "backslashreplace").decode()
