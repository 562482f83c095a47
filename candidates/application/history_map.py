"""How another system's process log is read: which columns mean what, and what becomes a command."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import NAMESPACE_OID, UUID, uuid5

from candidates.application.commands import (
    AddCandidate,
    CandidateCommand,
    InviteCandidate,
    MoveCandidateToStandby,
    RejectCandidate,
)
from candidates.domain.events import RejectionReason
from eventstore.domain.events import stream_id_of

COMMANDS = ("add", "standby", "invite", "reject")
_REQUIRED = {"stream", "activity", "occurred_at", "actor", "commands", "score"}
_OPTIONAL = {"profile", "system"}
_OF_SCORE = {"column", "factor", "maximum"}


class InvalidMap(ValueError):
    """The map cannot be used; the text names the key."""


class BadRow(ValueError):
    """A row that says nothing usable. `code` is stable, `detail` quotes nothing of the row."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What an activity becomes."""

    command: str
    reason: RejectionReason = RejectionReason.OTHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One command that a row asks for, and on which terms."""

    command: CandidateCommand
    activity: str
    """What the other system calls it."""
    actor: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryMap:
    stream: str
    activity: str
    occurred_at: str
    actor: str
    rules: Mapping[str, Rule]
    """Activity -> what it becomes. Activities that are not named are ignored."""
    profile: Mapping[str, str]
    """Profile key -> column."""
    score_column: str
    score_factor: float
    score_maximum: float
    system: str
    """Where the log comes from. Part of every derived id: two systems may use the same keys."""

    @classmethod
    def parse(cls, plain: Any) -> "HistoryMap":
        """Raises InvalidMap."""
        if not isinstance(plain, dict):
            raise InvalidMap("The map is not a JSON object.")
        if missing := sorted(_REQUIRED - plain.keys()):
            raise InvalidMap(f"The map lacks {', '.join(missing)}.")
        if unknown := sorted(plain.keys() - _REQUIRED - _OPTIONAL):
            raise InvalidMap(f"The map has keys that mean nothing: {', '.join(unknown)}.")
        score, profile = _object(plain, "score"), _object(plain, "profile")
        if unknown := sorted(score.keys() - _OF_SCORE):
            raise InvalidMap(f"score: {', '.join(unknown)} means nothing here.")
        return cls(
            **{name: _text(plain, name) for name in ("stream", "activity", "occurred_at", "actor")},
            rules={name: _rule(name, rule) for name, rule in _object(plain, "commands").items()},
            profile={key: _text(profile, key) for key in profile},
            score_column=_text(score, "column"),
            score_factor=_number(score, "factor", default=1.0),
            score_maximum=_number(score, "maximum", default=100.0),
            system=_text(plain, "system") if "system" in plain else "history",
        )

    @property
    def columns(self) -> set[str]:
        """Those a file must have."""
        named = {self.stream, self.activity, self.occurred_at, self.actor, self.score_column}
        return named | set(self.profile.values())

    def key_of(self, row: Mapping[str, str]) -> str:
        """What the other system calls the candidate; empty where the row does not say."""
        return row.get(self.stream, "")

    def candidate_id(self, key: str) -> UUID:
        return stream_id_of(uuid5(self._namespace, key))

    def command_id(self, key: str, line: int, step: int = 0) -> UUID:
        return uuid5(self._namespace, f"{line}.{step} {key}" if step else f"{line} {key}")

    def steps_of(self, row: Mapping[str, str]) -> list[Step]:
        """The commands of one row in the order to carry them out; none where it is ignored.

        Raises BadRow, so that of a bad row nothing is carried out.
        """
        activity = row[self.activity]
        if (rule := self.rules.get(activity)) is None:
            return []
        if not (key := self.key_of(row)):
            raise BadRow("blank_key")
        return [
            Step(
                command=self._command(self.candidate_id(key), row, rule),
                activity=activity,
                actor=row[self.actor] or self.system,
                occurred_at=self._time_of(row),
            )
        ]

    def batch_id(self, content_digest: str) -> UUID:
        """The correlation of everything that one state of the file brings in."""
        return uuid5(self._namespace, f"file {content_digest}")

    def _command(self, candidate_id: UUID, row: Mapping[str, str], rule: Rule) -> CandidateCommand:
        match rule.command:
            case "add":
                return AddCandidate(
                    candidate_id=candidate_id,
                    profile=self._profile_of(row),
                    score=self._score_of(row),
                )
            case "standby":
                return MoveCandidateToStandby(candidate_id=candidate_id)
            case "invite":
                return InviteCandidate(candidate_id=candidate_id)
        return RejectCandidate(candidate_id=candidate_id, reason=rule.reason)

    def _profile_of(self, row: Mapping[str, str]) -> dict[str, Any]:
        """Values as they stand in the file; empty cells say nothing."""
        lifted = {key: row[column] for key, column in self.profile.items() if row[column]}
        return {**lifted, "external_id": row[self.stream]}

    def _score_of(self, row: Mapping[str, str]) -> float:
        """Raises BadRow."""
        try:
            score = float(row[self.score_column]) * self.score_factor
        except ValueError:
            raise BadRow("unreadable_score") from None
        if not math.isfinite(score):
            raise BadRow("unreadable_score")
        return min(score, self.score_maximum)

    def _time_of(self, row: Mapping[str, str]) -> datetime:
        """Raises BadRow, also for a time without its offset from UTC."""
        try:
            time = datetime.fromisoformat(row[self.occurred_at])
        except ValueError:
            raise BadRow("unreadable_time") from None
        if time.tzinfo is None:
            raise BadRow("unreadable_time")
        return time

    @property
    def _namespace(self) -> UUID:
        return uuid5(NAMESPACE_OID, f"import from {self.system}")


def _rule(activity: str, plain: Any) -> Rule:
    where = f"commands: {activity}"
    if not isinstance(plain, dict) or plain.get("command") not in COMMANDS:
        raise InvalidMap(f"{where}: command is one of {', '.join(COMMANDS)}.")
    if plain["command"] != "reject":
        if unknown := sorted(plain.keys() - {"command"}):
            raise InvalidMap(f"{where}: {', '.join(unknown)} means nothing here.")
        return Rule(command=plain["command"])
    if unknown := sorted(plain.keys() - {"command", "reason"}):
        raise InvalidMap(f"{where}: {', '.join(unknown)} means nothing here.")
    try:
        return Rule(command="reject", reason=RejectionReason(str(plain.get("reason"))))
    except ValueError:
        known = ", ".join(RejectionReason)
        raise InvalidMap(f"{where}: reason is one of {known}.") from None


def _object(plain: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = plain.get(name, {})
    if not isinstance(value, dict):
        raise InvalidMap(f"{name} is not a JSON object.")
    return cast(Mapping[str, Any], value)


def _text(plain: Mapping[str, Any], name: str) -> str:
    value = plain.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidMap(f"{name} is not a text.")
    return value


def _number(plain: Mapping[str, Any], name: str, *, default: float) -> float:
    value = plain.get(name, default)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and abs(value) <= sys.float_info.max):
        raise InvalidMap(f"score: {name} is not a number.")
    return float(value)
