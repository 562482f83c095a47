"""Rules that turn activities and dates of another system's log into commands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from candidates.application.history_map_json import InvalidMap, as_object, refuse_unknown
from candidates.application.history_values import Reason, Score, Text

CommandName = Literal["add", "standby", "invite", "reject", "rescore", "note"]
_OPTIONS: Mapping[CommandName, set[str]] = {
    "add": {"score"},
    "standby": set(),
    "invite": set(),
    "reject": {"reason", "note"},
    "rescore": {"score", "why"},
    "note": {"text"},
}
_NO_REASON, _NO_SCORE, _NO_WORDS = Reason(), Score(), Text()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A command that an activity or a date becomes, and where its values come from."""

    command: CommandName
    occurred_at: Text
    reason: Reason = _NO_REASON
    score: Score = _NO_SCORE
    words: Text = _NO_WORDS
    """The note of a rejection, why somebody was rescored, or what was noted."""
    said: tuple[str, ...] = ()
    """The columns of `Step.said`."""


def parsed_rules(
    rules: Any, plain: Mapping[str, Any], where: str, *, column: str | None = None
) -> tuple[Rule, ...]:
    """One rule or a list of them; `column` is that of the date. Raises InvalidMap."""
    several = rules if isinstance(rules, list) and rules else [rules]
    return tuple(_rule(rule, plain, where, column) for rule in several)


def _rule(rule: Any, plain: Mapping[str, Any], where: str, column: str | None) -> Rule:
    named = rule.get("command") if isinstance(rule, dict) else None
    if not isinstance(named, str) or named not in _OPTIONS:
        raise InvalidMap(f"{where}: command is one of {', '.join(_OPTIONS)}.")
    command = cast(CommandName, named)
    known = {"command", *_OPTIONS[command]} | (set() if column else {"occurred_at"})
    refuse_unknown(as_object(rule, where), known, where)
    return Rule(
        command=command,
        occurred_at=Text(columns=(column,)) if column else _occurred_at(rule, plain, where),
        reason=Reason.parse(rule.get("reason"), f"{where}: reason")
        if command == "reject"
        else _NO_REASON,
        score=_score(rule, plain, where) if command in ("add", "rescore") else _NO_SCORE,
        words=_words(rule, command, where),
    )


def _occurred_at(rule: Mapping[str, Any], plain: Mapping[str, Any], where: str) -> Text:
    if "occurred_at" in rule:
        plain, where = rule, f"{where}: occurred_at"
    elif "occurred_at" in plain:
        where = "occurred_at"
    else:
        raise InvalidMap("The map lacks occurred_at.")
    text = Text.parse(plain["occurred_at"], where)
    if not text.columns:
        raise InvalidMap(f"{where} is not a column: every row has a time of its own.")
    return text


def _score(rule: Mapping[str, Any], plain: Mapping[str, Any], where: str) -> Score:
    if "score" in rule:
        return Score.parse(rule["score"], f"{where}: score")
    if "score" in plain:
        return Score.parse(plain["score"], "score")
    raise InvalidMap("The map lacks score.")


def _words(rule: Mapping[str, Any], command: CommandName, where: str) -> Text:
    match command:
        case "rescore":
            return Text.parse(rule.get("why"), f"{where}: why")
        case "note":
            return Text.parse(rule.get("text"), f"{where}: text")
        case "reject":
            return text_or(rule, "note", _NO_WORDS, where=f"{where}: ")
    return _NO_WORDS


def text_or(plain: Mapping[str, Any], name: str, default: Text, *, where: str = "") -> Text:
    """Raises InvalidMap."""
    return Text.parse(plain[name], f"{where}{name}") if name in plain else default


def columns_of(rule: Rule) -> tuple[str, ...]:
    """Those that a file must have for it."""
    return (*rule.occurred_at.columns, *values_of(rule))


def values_of(rule: Rule) -> tuple[str, ...]:
    """The columns of what it says, besides that of its time."""
    reason = (rule.reason.column,) if rule.reason.column else ()
    return (*rule.score.columns, *rule.words.columns, *reason)
