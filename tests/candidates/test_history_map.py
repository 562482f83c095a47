"""A history map is parsed, and turns a row of another system's log into commands."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from candidates.application.commands import (
    AddCandidate,
    InviteCandidate,
    MoveCandidateToStandby,
    NoteOnCandidate,
    RejectCandidate,
    RescoreCandidate,
)
from candidates.application.history_map import HistoryMap, Step
from candidates.application.history_map_json import InvalidMap
from candidates.application.history_values import BadRow
from candidates.domain.events import RejectionReason

PLAIN: Mapping[str, Any] = {
    "stream": "case",
    "activity": "what",
    "occurred_at": "at",
    "commands": {"applied": {"command": "add"}},
    "score": {"column": "points"},
}
ROW = {
    "case": "7",
    "what": "applied",
    "at": "2024-01-31T09:30:00+01:00",
    "who": "rita",
    "points": "40",
    "test": "2.5",
    "comma": "7,5",
    "first": "Ann",
    "last": "Lee",
    "why": "Too junior",
    "said": "She will call",
}
MORNING = datetime(2024, 1, 31, 8, 30, tzinfo=UTC)


def steps(row: Mapping[str, str] | None = None, **changes: Any) -> list[Step]:
    return HistoryMap.parse({**PLAIN, **changes}).steps_of({**ROW, **(row or {})})


def step(row: Mapping[str, str] | None = None, **changes: Any) -> Step:
    (only,) = steps(row, **changes)
    return only


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (80, 80.0),
        ({"constant": 80.5}, 80.5),
        ({"column": "points"}, 40.0),
        ({"column": "points", "factor": 2}, 80.0),
        ({"column": "points", "factor": 3, "maximum": 90}, 90.0),
        ({"columns": ["points", "test"]}, 42.5),
        ({"columns": ["points", "test"], "factor": 2}, 85.0),
        ({"columns": ["points", "test"], "factor": 10}, 100.0),
        ({"columns": ["points", "comma"], "decimal": ","}, 47.5),
    ],
)
def test_a_score_is_constant_a_column_or_a_sum_of_columns(score: Any, expected: float) -> None:
    command = step(score=score).command
    assert isinstance(command, AddCandidate)
    assert command.score == expected


def test_a_sum_of_tenths_is_no_hair_below_its_threshold() -> None:
    tenths = {f"c{n}": "7.5" if n == 0 else "0.1" for n in range(11)}
    command = step(tenths, score={"columns": list(tenths), "factor": 10}).command
    assert isinstance(command, AddCandidate)
    assert command.score == 85.0


@pytest.mark.parametrize("cell", ["", "many", "nan", "1e999", "7,5", "7_5", "-inf"])
def test_a_sum_with_a_column_that_is_no_number_is_refused(cell: str) -> None:
    with pytest.raises(BadRow) as refusal:
        steps({"test": cell}, score={"columns": ["points", "test"]})
    assert refusal.value.code == "unreadable_score"


def test_a_point_is_no_decimal_comma() -> None:
    with pytest.raises(BadRow, match="unreadable_score"):
        steps({"points": "1.000,5"}, score={"column": "points", "decimal": ","})


@pytest.mark.parametrize(
    ("changes", "actor"),
    [
        ({}, "history"),
        ({"system": "old tracker"}, "old tracker"),
        ({"actor": "who"}, "rita"),
        ({"actor": {"constant": "the import of May"}}, "the import of May"),
        ({"actor": ["who", "last"]}, "rita Lee"),
        ({"actor": "empty"}, "history"),
    ],
)
def test_an_actor_is_a_column_a_constant_or_the_system(
    changes: Mapping[str, Any], actor: str
) -> None:
    assert step({"empty": ""}, **changes).actor == actor


def test_a_profile_has_values_of_two_columns_and_constant_ones() -> None:
    profile = {"name": ["first", "last"], "source": {"constant": "fair"}, "phone": "phone"}
    for row, name in (({}, "Ann Lee"), ({"first": ""}, "Lee"), ({"last": ""}, "Ann")):
        command = step({"phone": "", **row}, profile=profile).command
        assert isinstance(command, AddCandidate)
        assert command.profile == {"name": name, "source": "fair", "external_id": "7"}


def test_a_status_becomes_several_commands_of_one_row() -> None:
    commands = {
        "declined": [
            {"command": "add"},
            {"command": "standby"},
            {"command": "reject", "reason": "withdrew"},
        ]
    }
    found = steps({"what": "declined"}, commands=commands)
    assert [type(one.command) for one in found] == [
        AddCandidate,
        MoveCandidateToStandby,
        RejectCandidate,
    ]
    assert {one.occurred_at for one in found} == {MORNING}


DATES: Mapping[str, Any] = {
    "stream": "case",
    "dates": {
        "declined": {"command": "reject", "reason": "other"},
        "applied": {"command": "add"},
        "talked": [{"command": "invite"}, {"command": "note", "text": "said"}],
    },
    "score": 80,
}
DATED = {
    "case": "7",
    "declined": "2024-03-01T00:00:00Z",
    "applied": "2024-01-01T00:00:00Z",
    "talked": "2024-02-01T00:00:00Z",
    "said": "Fine",
}


def test_every_date_of_a_row_becomes_a_command_in_the_order_of_the_dates() -> None:
    found = HistoryMap.parse(DATES).steps_of(DATED)
    assert [(one.activity, one.occurred_at.month) for one in found] == [
        ("applied", 1),
        ("talked", 2),
        ("talked", 2),
        ("declined", 3),
    ]
    assert [type(one.command) for one in found] == [
        AddCandidate,
        InviteCandidate,
        NoteOnCandidate,
        RejectCandidate,
    ]


def test_a_date_that_is_empty_asks_for_nothing() -> None:
    found = HistoryMap.parse(DATES).steps_of({**DATED, "talked": "", "declined": " "})
    assert [type(one.command) for one in found] == [AddCandidate]
    assert HistoryMap.parse(DATES).steps_of({**DATED, **dict.fromkeys(DATES["dates"], "")}) == []


def test_one_date_that_cannot_be_read_refuses_the_whole_row() -> None:
    with pytest.raises(BadRow, match="unreadable_time"):
        HistoryMap.parse(DATES).steps_of({**DATED, "talked": "soon"})


def test_whoever_was_rejected_before_being_added_is_added_first() -> None:
    found = HistoryMap.parse(DATES).steps_of({**DATED, "declined": "2023-01-01T00:00:00Z"})
    assert isinstance(found[0].command, AddCandidate)


def test_commands_of_a_status_can_have_dates_of_their_own() -> None:
    commands = {
        "declined": [
            {"command": "reject", "reason": "other"},
            {"command": "add", "occurred_at": "applied"},
        ]
    }
    found = steps({"what": "declined", "applied": "2024-01-01T00:00:00Z"}, commands=commands)
    assert [(type(one.command), one.occurred_at.day) for one in found] == [
        (AddCandidate, 1),
        (RejectCandidate, 31),
    ]


REASON = {
    "column": "why",
    "codes": {"Too junior": "not_qualified", "": "no_response"},
}


@pytest.mark.parametrize(
    ("reason", "word", "code"),
    [
        ("withdrew", "whatever", "withdrew"),
        (REASON, "Too junior", "not_qualified"),
        (REASON, "", "no_response"),
        ({**REASON, "otherwise": "other"}, "Too loud", "other"),
        ({"column": "why"}, "position_filled", "position_filled"),
    ],
)
def test_a_reason_is_a_code_or_a_columns_word_for_one(reason: Any, word: str, code: str) -> None:
    commands = {"applied": {"command": "reject", "reason": reason, "note": ["why", "said"]}}
    command = step({"why": word}, commands=commands).command
    assert isinstance(command, RejectCandidate)
    assert command.reason is RejectionReason(code)
    assert command.note == f"{word} She will call".strip()


def test_a_word_that_has_no_code_is_refused_and_not_quoted() -> None:
    with pytest.raises(BadRow) as refusal:
        steps(
            {"why": "Ann is too loud"},
            commands={"applied": {"command": "reject", "reason": REASON}},
        )
    assert refusal.value.code == "unknown_reason"
    assert "Ann" not in refusal.value.detail


def test_rows_can_rescore_and_note() -> None:
    commands = {
        "applied": [
            {"command": "rescore", "why": {"constant": "second test"}},
            {"command": "rescore", "score": {"column": "test", "factor": 10}, "why": "why"},
            {"command": "note", "text": ["said", "why"]},
        ]
    }
    first, second, third = (one.command for one in steps(commands=commands))
    assert isinstance(first, RescoreCandidate)
    assert (first.score, first.why) == (40.0, "second test")
    assert isinstance(second, RescoreCandidate)
    assert (second.score, second.why) == (25.0, "Too junior")
    assert isinstance(third, NoteOnCandidate)
    assert third.text == "She will call Too junior"


@pytest.mark.parametrize(
    ("text", "changes", "expected"),
    [
        ("2024-01-31T09:30:00+01:00", {}, MORNING),
        ("2024-01-31 09:30", {"time_zone": "Europe/Berlin"}, MORNING),
        # Its own offset goes before the map's zone.
        ("2024-01-31T08:30:00Z", {"time_zone": "Europe/Berlin"}, MORNING),
        ("2024-01-31", {"time_zone": "UTC"}, datetime(2024, 1, 31, tzinfo=UTC)),
        (
            "31.01.2024 09:30",
            {"date_format": "%d.%m.%Y %H:%M", "time_zone": "Europe/Berlin"},
            MORNING,
        ),
        ("01/31/24 03:30 AM -0500", {"date_format": "%m/%d/%y %I:%M %p %z"}, MORNING),
        (
            "31 Jan 2024",
            {"date_format": "%d %b %Y", "time_zone": "UTC"},
            datetime(2024, 1, 31, tzinfo=UTC),
        ),
        # In summer time, which starts and ends on the days that the zone says.
        (
            "2024-07-01T10:30",
            {"time_zone": "Europe/Berlin"},
            datetime(2024, 7, 1, 8, 30, tzinfo=UTC),
        ),
        # The hour that occurs twice, at its first time.
        (
            "2024-10-27T02:30",
            {"time_zone": "Europe/Berlin"},
            datetime(2024, 10, 27, 0, 30, tzinfo=UTC),
        ),
        # Before there were zones, offsets had seconds.
        (
            "1890-01-01T00:00",
            {"time_zone": "Europe/Berlin"},
            datetime(1889, 12, 31, 23, 6, 32, tzinfo=UTC),
        ),
    ],
)
def test_times_have_an_offset_or_the_maps_zone(
    text: str, changes: Mapping[str, Any], expected: datetime
) -> None:
    assert step({"at": text}, **changes).occurred_at == expected


def test_a_time_can_stand_in_two_columns() -> None:
    found = step(
        {"day": "31.01.2024", "clock": "09:30"},
        occurred_at=["day", "clock"],
        date_format="%d.%m.%Y %H:%M",
        time_zone="Europe/Berlin",
    )
    assert found.occurred_at == MORNING


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        ("2024-01-31T09:30:00", {}, "The time has no offset; say `time_zone` in the map."),
        ("31.01.2024", {}, "not ISO 8601, such as 2024-01-31T09:30:00+01:00; say `date_format`"),
        ("", {}, "The time is empty."),
        ("2024-01-31", {"date_format": "%d.%m.%Y %z"}, "not of the form that `date_format` says"),
        ("0001-01-01T00:00", {"time_zone": "Asia/Tokyo"}, "out of range"),
    ],
)
def test_a_time_that_cannot_be_read_says_why(
    text: str, changes: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(BadRow) as refusal:
        steps({"at": text}, **changes)
    assert refusal.value.code == "unreadable_time"
    assert words in refusal.value.detail


def test_activities_that_the_map_does_not_name_are_ignored() -> None:
    assert steps({"what": "coffee", "case": "", "at": "never"}) == []


def test_a_row_that_does_not_say_whom_it_is_about_is_refused() -> None:
    with pytest.raises(BadRow, match="blank_key"):
        steps({"case": ""})


def test_a_file_must_have_every_column_that_the_map_reads() -> None:
    found = HistoryMap.parse(
        {
            **PLAIN,
            "actor": "who",
            "profile": {"name": ["first", "last"]},
            "dates": {"left": {"command": "reject", "reason": {"column": "why"}, "note": "said"}},
            "commands": {
                "a": {"command": "rescore", "score": {"columns": ["x", "y"]}, "why": "z"},
                "b": {"command": "note", "text": "t", "occurred_at": ["day", "hour"]},
            },
        }
    )
    assert found.columns == {
        *("case", "what", "at", "who", "first", "last", "left", "why", "said"),
        *("x", "y", "z", "t", "day", "hour"),
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "xlsx"}, "format is one of csv, jsonl, xes"),
        ({"format": ["csv"]}, "format is one of"),
        ({"delimiter": ";;"}, "delimiter is not one character"),
        ({"delimiter": '"'}, "delimiter is not one character"),
        ({"delimiter": "\n"}, "delimiter is not one character"),
        ({"delimiter": ";", "format": "jsonl"}, "delimiter means nothing for jsonl"),
        ({"encoding": "utf8", "format": "xes"}, "encoding means nothing for xes"),
        ({"encoding": "klingon"}, "encoding is not one that Python knows"),
        ({"encoding": "base64"}, "encoding is not one that Python knows"),
        ({"encoding": "undefined"}, "encoding is not one that Python knows"),
        ({"encoding": "a\x00b"}, "encoding is not one that Python knows"),
        ({"time_zone": "Berlin"}, "time_zone is not a zone"),
        ({"time_zone": "Europe"}, "time_zone is not a zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone is not a zone"),
        ({"time_zone": 1}, "time_zone is not a text"),
        ({"date_format": "%d.%m.%Y"}, "date_format has no offset (%z): say time_zone, too"),
        ({"date_format": "%d.%m.", "time_zone": "UTC"}, "date_format does not say day, month"),
        ({"date_format": "%d.%m.%Y %Z", "time_zone": "UTC"}, "say %z or time_zone"),
        ({"date_format": "%d.%m.%Y %I:%M", "time_zone": "UTC"}, "hours to 12 (%I) without AM"),
        ({"date_format": "%Q", "time_zone": "UTC"}, "date_format does not say day, month"),
        ({"date_format": "DD.MM.YYYY", "time_zone": "UTC"}, "date_format does not say day"),
        ({"score": {"column": "a", "constant": 1}}, "score: say one of column, columns and"),
        ({"score": {"constant": 101}}, "score: constant is not from 0 to 100"),
        ({"score": {"constant": 1, "factor": 2}}, "score: factor means nothing here"),
        ({"score": {"columns": []}}, "score: columns is not"),
        ({"score": {"columns": ["a", 1]}}, "score: columns is not"),
        ({"score": {"columns": {"constant": "a"}}}, "score: columns is not a list of columns"),
        ({"score": {"column": "a", "decimal": "'"}}, "score: decimal is a point or a comma"),
        ({"score": {}}, "score: column is not a text"),
        ({"score": True}, "score is not a JSON object"),
        ({"score": "points"}, "score is not a JSON object"),
        ({"actor": ""}, "actor is not a text"),
        ({"actor": {"constant": ""}}, "actor: constant is not a text"),
        ({"actor": []}, "actor is not a text"),
        ({"occurred_at": {"constant": "2024-01-01T00:00:00Z"}}, "occurred_at is not a column"),
        ({"profile": {"name": ["first", ""]}}, "profile: name is not a text"),
        ({"dates": []}, "dates is not a JSON object"),
        ({"dates": {"left": {"command": "leave"}}}, "dates: left: command is one of add"),
        (
            {"dates": {"left": {"command": "invite", "occurred_at": "x"}}},
            "dates: left: occurred_at means nothing here",
        ),
        ({"commands": {"a": []}}, "commands: a: command is one of"),
        ({"commands": {"a": {"command": ["add"]}}}, "commands: a: command is one of"),
        ({"commands": {"a": {"command": "note"}}}, "commands: a: text is not a text"),
        ({"commands": {"a": {"command": "rescore"}}}, "commands: a: why is not a text"),
        (
            {"commands": {"a": {"command": "reject", "reason": {"codes": {}}}}},
            "a: reason: column is not a text",
        ),
        (
            {
                "commands": {
                    "a": {"command": "reject", "reason": {"column": "c", "codes": {"x": 1}}}
                }
            },
            "a: reason: x is one of not_qualified",
        ),
        (
            {"commands": {"a": {"command": "reject", "reason": {"column": "c", "else": 1}}}},
            "a: reason: else means nothing here",
        ),
        ({"system": "a\ud800"}, "/system: Half of a surrogate pair is not text"),
        ({"system": "a\x00"}, "/system: Text may not contain the character U+0000"),
        ({"profile": {"a\ud800": "case"}}, "/profile/a\\ud800: Half of a surrogate"),
    ],
)
def test_what_a_map_says_wrong_is_named_by_its_key(change: Mapping[str, Any], words: str) -> None:
    plain = json.loads(json.dumps({**PLAIN, **change}))
    with pytest.raises(InvalidMap) as refusal:
        HistoryMap.parse(plain)
    assert words in str(refusal.value)


def test_a_map_of_dates_needs_no_activity_and_one_without_an_add_no_score() -> None:
    HistoryMap.parse({"stream": "case", "dates": {"left": {"command": "invite"}}})
    HistoryMap.parse({**{k: v for k, v in PLAIN.items() if k != "score"}, "commands": {}})
    with pytest.raises(InvalidMap, match="lacks activity, commands"):
        HistoryMap.parse({"stream": "case"})
    with pytest.raises(InvalidMap, match="lacks score"):
        HistoryMap.parse({"stream": "case", "dates": {"left": {"command": "add"}}})


def test_an_hour_that_a_zone_leaves_out_is_reckoned_with_the_offset_before_it() -> None:
    found = step({"at": "2018-11-04T00:00"}, time_zone="America/Sao_Paulo").occurred_at
    assert found == datetime(2018, 11, 4, 3, tzinfo=UTC)


@pytest.mark.parametrize(
    ("cells", "looks"),
    [
        ({}, True),
        ({"at": "soon"}, True),
        ({"what": "anything"}, True),
        ({"what": "anything", "at": "soon"}, False),
        ({"case": ""}, False),
        ({"what": "phone", "at": ""}, True),
        ({"what": "", "at": ""}, False),
        ({"what": "phone", "at": "", "case": "Dear Ann"}, False),
    ],
)
def test_cells_look_like_a_row_by_key_and_time_or_activity(
    cells: Mapping[str, str], looks: bool
) -> None:
    assert HistoryMap.parse(PLAIN).looks_like_a_row({**ROW, **cells}) is looks


def test_white_space_around_a_reason_and_the_words_of_the_map_says_nothing() -> None:
    rejected = {
        "command": "reject",
        "reason": {"column": "why", "codes": {" Too junior": "withdrew"}},
    }
    found = step({"why": " Too junior "}, commands={"applied ": rejected})
    assert isinstance(found.command, RejectCandidate)
    assert found.command.reason is RejectionReason.WITHDREW
    assert found.activity == "applied"
    with pytest.raises(InvalidMap, match="commands: two names differ in nothing but white space"):
        HistoryMap.parse({**PLAIN, "commands": {"a": rejected, "a ": rejected}})


@pytest.mark.parametrize("at", ["2024-01-31t08:00:00z", "2024-01-31T08:00:00.0000001z"])
def test_a_time_is_read_as_rfc_3339_writes_it(at: str) -> None:
    assert step({"at": at}).occurred_at == datetime(2024, 1, 31, 8, tzinfo=UTC)


def test_the_profile_has_the_key_as_external_id_and_no_other() -> None:
    with pytest.raises(InvalidMap, match="profile: external_id is always what `stream` says"):
        HistoryMap.parse({**PLAIN, "profile": {"external_id": "who"}})
