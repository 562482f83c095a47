"""How another system's process log is read: which columns mean what, and what becomes a command."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from candidates.application.commands import (
    AddCandidate,
    CandidateCommand,
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    RescoreCandidate,
)
from candidates.application.history_map_json import InvalidMap, object_at, stripped, text_at
from candidates.application.history_rules import (
    Rule,
    columns_of,
    parsed_rules,
    text_or,
    values_of,
)
from candidates.application.history_shape import FileShape
from candidates.application.history_values import BadRow, Clock, Text
from eventstore.domain.content import check_content
from eventstore.domain.events import stream_id_of
from eventstore.domain.exceptions import InvalidValue

_KEYS = {
    "system",
    "stream",
    "activity",
    "occurred_at",
    "actor",
    "commands",
    "dates",
    "profile",
    "score",
    "date_format",
    "time_zone",
    *FileShape.KEYS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command that a row asks for, and on which terms."""

    command: CandidateCommand
    candidate_id: UUID
    activity: str
    """The other system's name for it: an activity, or the column of a date."""
    actor: str
    occurred_at: datetime
    said: Mapping[str, str]
    """Column -> text: what the row says of it besides whom, what and when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMap:
    shape: FileShape
    stream: str
    activity: str | None
    actor: Text
    rules: Mapping[str, tuple[Rule, ...]]
    """Activity -> what it becomes. Activities that are not named are ignored."""
    dates: Mapping[str, tuple[Rule, ...]]
    """Column -> what a date in it becomes. An empty cell is no date."""
    profile: Mapping[str, Text]
    """Profile key -> where its value comes from."""
    clock: Clock
    system: str
    """Where the log comes from. Part of every derived id: two systems may use the same keys."""

    @classmethod
    def parse(cls, plain: Any) -> "HistoryMap":
        """Raises InvalidMap."""
        if not isinstance(plain, dict):
            raise InvalidMap("The map is not a JSON object.")
        if unknown := sorted(plain.keys() - _KEYS):
            raise InvalidMap(f"The map has keys that mean nothing: {', '.join(unknown)}.")
        needed = {"stream"}
        if "dates" not in plain or plain.keys() & {"commands", "activity"}:
            needed |= {"commands", "activity"}
        if missing := sorted(needed - plain.keys()):
            raise InvalidMap(f"The map lacks {', '.join(missing)}.")
        system = text_at(plain, "system") if "system" in plain else "history"
        profile = {
            key: Text.parse(value, f"profile: {key}")
            for key, value in object_at(plain, "profile").items()
        }
        if "external_id" in profile:
            raise InvalidMap("profile: external_id is always what `stream` says; leave it out.")
        commands = {
            activity: parsed_rules(rules, plain, f"commands: {activity}")
            for activity, rules in stripped(object_at(plain, "commands"), "commands").items()
        }
        dates = {
            column: parsed_rules(rules, plain, f"dates: {column}", column=column)
            for column, rules in object_at(plain, "dates").items()
        }
        actor = text_or(plain, "actor", Text(constant=system))
        # In a row with an activity all these columns count, even if its command uses none of them.
        person = {column for text in profile.values() for column in text.columns}.union(
            *(
                values_of(rule)
                for several in (*commands.values(), *dates.values())
                for rule in several
                if rule.command == "add"
            )
        )
        parsed = cls(
            shape=FileShape.parse(plain),
            stream=text_at(plain, "stream"),
            activity=text_at(plain, "activity") if "activity" in plain else None,
            actor=actor,
            rules={
                activity: tuple(replace(rule, said=_said(rule, actor, person)) for rule in several)
                for activity, several in commands.items()
            },
            dates={
                column: tuple(
                    # The row's other dates may come later, and change nothing of this one.
                    replace(rule, said=_said(rule, actor, person if rule.command == "add" else ()))
                    for rule in several
                )
                for column, several in dates.items()
            },
            profile=profile,
            clock=Clock.parse(plain),
            system=system,
        )
        try:
            # Words of the map go into events and derived ids, so all of them must be storable.
            check_content(plain)
        except InvalidValue as error:
            raise InvalidMap(str(error)) from None
        return parsed

    @property
    def columns(self) -> set[str]:
        """Those a file must have."""
        return {self.stream, *([self.activity] if self.activity else ())}.union(
            self.actor.columns,
            self.dates,
            *(text.columns for text in self.profile.values()),
            *(columns_of(rule) for rule in self._all_rules),
        )

    def key_of(self, row: Mapping[str, str]) -> str:
        """Returns the other system's name for the candidate; empty if the row has none."""
        return row.get(self.stream, "").strip()

    def candidate_id(self, key: str) -> UUID:
        return stream_id_of(uuid5(self._namespace, key))

    def command_id_by_line(self, key: str, line: int) -> UUID:
        """Under which imports carried out the row on this line before they knew rows by content."""
        return uuid5(self._namespace, f"{line} {key}")

    def batch_id(self, content_digest: str) -> UUID:
        """The correlation of everything that one state of the file brings in."""
        return uuid5(self._namespace, f"file {content_digest}")

    def steps_of(self, row: Mapping[str, str]) -> list[Step]:
        """The commands of one row in the order to carry them out; none where it is ignored.

        They are in the order of their times, behind the one that adds the candidate. Raises
        BadRow, so that of a bad row nothing is carried out.
        """
        asked = self._asked(row)
        if not asked:
            return []
        if not (key := self.key_of(row)):
            raise BadRow("blank_key", "The row does not say whom it is about.")
        candidate_id = self.candidate_id(key)
        steps = [
            Step(
                command=self._command(candidate_id, row, rule),
                candidate_id=candidate_id,
                activity=activity,
                actor=self.actor.of(row) or self.system,
                occurred_at=self.clock.time_of(rule.occurred_at.of(row)),
                said={column: row[column] for column in rule.said},
            )
            for activity, rule in asked
        ]
        if len(steps) > 1:
            steps.sort(key=lambda s: (not isinstance(s.command, AddCandidate), s.occurred_at))
        return steps

    def looks_like_a_row(self, cells: Mapping[str, str]) -> bool:
        """Whether there is a key, and a time or an activity that the map names.

        Or one word for a key, an activity that is ignored, and cells for the time that are all
        there and empty. Prose in a cell will hardly have them in their columns.
        """
        key = self.key_of(cells)
        if not key:
            return False
        activity = cells.get(self.activity, "").strip() if self.activity else ""
        if activity in self.rules:
            return True
        times = {rule.occurred_at for rule in self._all_rules}
        if any(self._has_time(time, cells) for time in times):
            return True
        columns = {column for time in times for column in time.columns}
        is_one_word = len(key.split()) == 1
        return bool(activity) and is_one_word and all(cells.get(name) == "" for name in columns)

    def _has_time(self, time: Text, cells: Mapping[str, str]) -> bool:
        try:
            self.clock.time_of(time.of({**dict.fromkeys(time.columns, ""), **cells}))
        except BadRow:
            return False
        return True

    def _asked(self, row: Mapping[str, str]) -> list[tuple[str, Rule]]:
        activity = row[self.activity].strip() if self.activity else ""
        asked = [(activity, rule) for rule in self.rules.get(activity, ())]
        for column, rules in self.dates.items():
            if row[column].strip():
                asked += [(column, rule) for rule in rules]
        return asked

    def _command(self, candidate_id: UUID, row: Mapping[str, str], rule: Rule) -> CandidateCommand:
        match rule.command:
            case "add":
                return AddCandidate(
                    candidate_id=candidate_id,
                    profile=self._profile_of(row),
                    score=rule.score.of(row),
                )
            case "standby":
                return MoveCandidateToStandby(candidate_id=candidate_id)
            case "invite":
                return InviteCandidate(candidate_id=candidate_id)
            case "reject":
                return RejectCandidate(
                    candidate_id=candidate_id, reason=rule.reason.of(row), note=rule.words.of(row)
                )
            case "rescore":
                return RescoreCandidate(
                    candidate_id=candidate_id, score=rule.score.of(row), why=rule.words.of(row)
                )
            case "note":
                return NoteOnCandidate(candidate_id=candidate_id, text=rule.words.of(row))

    def _profile_of(self, row: Mapping[str, str]) -> dict[str, Any]:
        """Values as they stand in the file; empty cells say nothing."""
        lifted = {key: value for key, text in self.profile.items() if (value := text.of(row))}
        return {**lifted, "external_id": self.key_of(row)}

    @property
    def _all_rules(self) -> Iterable[Rule]:
        for rules in (*self.rules.values(), *self.dates.values()):
            yield from rules

    @property
    def _namespace(self) -> UUID:
        return _namespace_of(self.system)


@lru_cache(maxsize=1)
def _namespace_of(system: str) -> UUID:
    return uuid5(NAMESPACE_OID, f"import from {system}")


def _said(rule: Rule, actor: Text, person: Iterable[str]) -> tuple[str, ...]:
    columns = {*actor.columns, *values_of(rule), *person}
    return tuple(sorted(columns - set(rule.occurred_at.columns)))
