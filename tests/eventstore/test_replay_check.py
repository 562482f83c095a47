"""`manage.py replay --check`: what is not as the log has it is named, and nothing is written."""

import re
from uuid import UUID, uuid4

import pytest
from django.db import connection

from candidates.application.projector import CandidateProjector
from candidates.domain.events import CandidateInvited
from candidates.models import CandidateProjection, StatusSpan
from eventstore.application.folding import Changes, Occurrence
from eventstore.wiring import checkpoints
from tests.factories import added, erased, invited, noted
from tests.read_models import LIVES, appended, definitions, failed, rebuilt, replay, rows, traces

pytestmark = pytest.mark.django_db(transaction=True)
COMPLAINT = "The read models are not as the log has it."


@pytest.fixture
def streams() -> list[UUID]:
    """Three streams that every read model shows."""
    appended_now = [appended(*life) for life in LIVES]
    rebuilt()
    return appended_now


def findings(*arguments: str) -> list[str]:
    """What a check that finds something prints; the last line counts it."""
    before, there = rows(), definitions()
    complaint, printed = failed("--check", *arguments)
    assert complaint == COMPLAINT
    assert (rows(), definitions(), traces()) == (before, there, [])
    return printed


def test_rows_as_the_log_has_them_are_found_right(streams: list[UUID]) -> None:
    before = rows()
    assert replay("--check") == ["0 different, 0 behind"]
    assert rows() == before
    assert checkpoints().all() == {}


def test_rows_of_a_replay_are_found_right(streams: list[UUID]) -> None:
    erased_one = appended(added(), invited(), erased())
    replay()
    assert CandidateProjection.objects.get(id=erased_one).status == "ERASED"
    assert replay("--check") == ["0 different, 0 behind"]


def test_an_empty_log_and_no_rows_are_equal() -> None:
    assert replay("--check") == ["0 different, 0 behind"]


def test_a_changed_column_is_named_with_both_values(streams: list[UUID]) -> None:
    CandidateProjection.objects.filter(id=streams[0]).update(score=1.5, status="ADDED")
    assert findings() == [
        f"candidates {streams[0]}, version 3, status: stored 'ADDED', rebuilt 'INVITED'",
        f"candidates {streams[0]}, version 3, score: stored 1.5, rebuilt 80.0",
        "2 different, 0 behind",
    ]


def test_of_a_personal_column_it_says_only_that_it_differs(streams: list[UUID]) -> None:
    CandidateProjection.objects.filter(id=streams[0]).update(
        name="Eve", profile={"name": "Eve", "email": "ann@example.org"}
    )
    printed = findings()
    assert printed == [
        f"candidates {streams[0]}, version 3, {column}: stored '(personal)', rebuilt '(personal)'"
        for column in ("profile", "name")
    ] + ["2 different, 0 behind"]
    assert "Eve" not in str(printed)


def test_a_column_of_one_row_in_a_list_is_named(streams: list[UUID]) -> None:
    StatusSpan.objects.filter(candidate=streams[1], version=1).update(source="fair")
    assert findings() == [
        f"candidate_spans {streams[1]}, version 3, source: stored 'fair', rebuilt ''",
        "1 different, 0 behind",
    ]


def test_a_row_that_is_gone_from_a_list_is_different(streams: list[UUID]) -> None:
    StatusSpan.objects.filter(candidate=streams[1], version=2).delete()
    assert findings() == [
        f"candidate_spans {streams[1]}, version 3, version: stored [1, 3], rebuilt [1, 2, 3]",
        "1 different, 0 behind",
    ]


def test_a_missing_row_and_an_older_one_are_behind(streams: list[UUID]) -> None:
    CandidateProjection.objects.filter(id=streams[0]).delete()
    appended(noted(), stream_id=streams[1], expected=3)
    assert sorted(findings("--projection", "candidates")) == sorted(
        [
            f"candidates {streams[0]}: behind at 0 of 3",
            f"candidates {streams[1]}: behind at 3 of 4",
            "0 different, 2 behind",
        ]
    )


def test_a_row_that_is_behind_may_be_different_too(streams: list[UUID]) -> None:
    appended(noted(), stream_id=streams[1], expected=3)
    CandidateProjection.objects.filter(id=streams[1]).update(score=1.5)
    assert findings("--projection", "candidates") == [
        f"candidates {streams[1]}, version 3, score: stored 1.5, rebuilt 80.0",
        f"candidates {streams[1]}: behind at 3 of 4",
        "1 different, 1 behind",
    ]


@pytest.mark.parametrize("id", [UUID(int=1), UUID(int=2**128 - 1)], ids=["first", "last"])
def test_a_row_without_a_stream_is_different(streams: list[UUID], id: UUID) -> None:
    kept = CandidateProjection.objects.get(id=streams[0])
    kept.pk = id
    kept.save(force_insert=True)
    assert findings() == [
        f"candidates {id}, version 3, version: stored [1], rebuilt 'no row'",
        "1 different, 0 behind",
    ]


def test_a_row_ahead_of_its_stream_is_different(streams: list[UUID]) -> None:
    CandidateProjection.objects.filter(id=streams[0]).update(version=7)
    assert findings() == [
        f"candidates {streams[0]}, version 7, version: stored 7, rebuilt 3",
        "1 different, 0 behind",
    ]


def test_one_stream_is_compared_alone(streams: list[UUID]) -> None:
    CandidateProjection.objects.filter(id__in=streams[:2]).update(score=1.5)
    assert findings("--stream", str(streams[0]))[-1] == "1 different, 0 behind"
    assert replay("--check", "--stream", str(streams[2])) == ["0 different, 0 behind"]


def test_an_id_that_nobody_knows_is_refused(streams: list[UUID]) -> None:
    unknown = uuid4()
    complaint, _ = failed("--check", "--stream", str(unknown))
    assert str(unknown) in complaint


def test_what_is_found_beyond_a_thousand_is_only_counted(
    streams: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventstore.management.commands.replay.MOST_FINDINGS", 2)
    CandidateProjection.objects.update(score=1.5)
    printed = findings()
    assert len(printed) == 4
    assert printed[2:] == ["and 1 more", "3 different, 0 behind"]


@pytest.mark.parametrize("moved", [True, False], ids=["moved", "twice"])
def test_the_mark_of_the_newest_row_on_another_is_different(
    streams: list[UUID], moved: bool
) -> None:
    """The next event would be applied to that one."""
    spans = StatusSpan.objects.filter(candidate=streams[1])
    spans.filter(version=1).update(shown_version=3)
    expected = [
        f"candidate_spans {streams[1]}, version 3, shown_version: stored 3, rebuilt None",
        "1 different, 0 behind",
    ]
    if moved:
        spans.filter(version=3).update(shown_version=None)
        expected[1:] = [
            f"candidate_spans {streams[1]}, version 3, shown_version: stored None, rebuilt 3",
            "2 different, 0 behind",
        ]
    assert findings() == expected


@pytest.mark.parametrize("stream", [False, True], ids=["all", "one stream"])
def test_rows_that_cannot_even_be_read_are_said_to_be_so(streams: list[UUID], stream: bool) -> None:
    table = CandidateProjection._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET profile = %s", ["{Zoë, zoe@example.org"])
    complaint, _ = failed("--check", *(["--stream", str(streams[0])] if stream else []))
    assert re.fullmatch(
        rf"Rows of {table} cannot be read: json\.decoder\.JSONDecodeError at [\w.]+:\d+\. "
        "A replay builds them anew.",
        complaint,
    )
    replay()
    assert replay("--check") == ["0 different, 0 behind"]


def test_rows_behind_an_event_that_the_projector_fails_on_are_different(
    streams: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they are after `parked skip`."""
    changes = CandidateProjector.changes

    def failing(self: CandidateProjector, recorded: Occurrence) -> Changes:
        if isinstance(recorded.event, CandidateInvited):
            raise RuntimeError("Zoë, zoe@example.org")
        return changes(self, recorded)

    monkeypatch.setattr(CandidateProjector, "changes", failing)
    CandidateProjection.objects.filter(id=streams[2]).delete()
    for stream in ([], ["--stream", str(streams[0])]):
        printed = findings("--projection", "candidates", *stream)
        assert len(printed) == (2 if stream else 3)
        assert re.fullmatch(
            f"candidates {streams[0]}, version 3, version: stored 3, "
            r"rebuilt 'RuntimeError at [\w.]+:\d+ on version 3'",
            next(line for line in printed if str(streams[0]) in line),
        )
        assert "zoe@example.org" not in str(printed)


def test_a_replay_mends_what_a_check_finds(streams: list[UUID]) -> None:
    before = rows()
    CandidateProjection.objects.filter(id=streams[0]).delete()
    StatusSpan.objects.update(source="fair")
    findings()
    replay()
    assert replay("--check") == ["0 different, 0 behind"]
    assert rows() == before
