"""Decisions in the admin: chosen in a list or on a page, confirmed, carried out, reported."""

import re
from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.contrib.sessions.models import Session
from django.urls import reverse

from candidates.admin.decision_forms import Seen
from candidates.application import commands
from candidates.domain.events import RejectionReason
from candidates.models import CandidateProjection
from candidates.wiring import history
from eventstore.models import StorageEvent
from tests import factories
from tests.browser import Browser, text_of
from tests.given import given
from tests.scenario import CANDIDATE_ID

LIST = reverse("admin:candidates_candidateprojection_changelist")
KINDS = ["invite", "standby", "reject", "undo"]


@pytest.fixture
def rita(staff: Callable[..., Browser]) -> Browser:
    return staff("Recruiters")


def added(name: str = "Ann", score: float = 80.0) -> UUID:
    command = factories.add(candidate_id=uuid4(), profile={"name": name}, score=score)
    return given(command).candidate_id


def address(kind: str) -> str:
    return reverse("admin:candidates_candidateprojection_decide", args=[kind])


def chosen(browser: Browser, kind: str, *ids: UUID, **fields: Any) -> Any:
    """What is shown once these candidates are ticked in the list and the action is chosen."""
    form = {"action": kind, "_selected_action": [str(id) for id in ids], "index": "0", **fields}
    return browser.post(LIST, form)


def confirmed(browser: Browser, page: Any, **fields: Any) -> Any:
    """What is shown once the form on `page` is submitted."""
    form = page.context["form"]
    token = form["token"].value()
    seen = [str(proposal.seen) for proposal in page.context["proposals"]]
    return browser.post(address(form.kind), {"token": str(token), "seen": seen, **fields})


def status_of(id: UUID) -> str:
    return CandidateProjection.objects.get(pk=id).status


def reported(page: Any) -> dict[str, str]:
    """Candidate -> what the report says of it, white space collapsed."""
    table = page.content.decode().split("<tbody>")[1].split("</tbody>")[0]
    rows = [
        " ".join(re.sub(r"<[^>]+>", " ", outcome).split())
        for outcome in re.findall(r'<p class="(?:done|refused)">(.*?)</p>', table, flags=re.DOTALL)
    ]
    names = [outcome.candidate.name for outcome in page.context["outcomes"]]
    return dict(zip(names, rows, strict=True))


def test_a_mixed_selection_is_reported_one_by_one(rita: Browser) -> None:
    strong, weak, gone = added("Strong"), added("Weak", 74.9), added("Gone")
    given(commands.RejectCandidate(candidate_id=gone, reason=RejectionReason.WITHDREW))
    page = confirmed(rita, chosen(rita, "invite", strong, weak, gone))
    assert "1 done, 2 refused." in page.content.decode()
    assert reported(page) == {
        "Gone": "Refused. The candidate is Rejected; this needs Added or Standby.",
        "Weak": "Refused. The score 74.9 is below the threshold 75.0.",
        "Strong": "Done: version 2",
    }
    assert (status_of(strong), status_of(weak), status_of(gone)) == ("INVITED", "ADDED", "REJECTED")


def test_a_decision_names_who_took_it_by_which_door_and_in_which_batch(rita: Browser) -> None:
    first, second = added("First"), added("Second")
    confirmed(rita, chosen(rita, "invite", first, second))
    newest = [history(id)[-1] for id in (first, second)]
    assert {(r.metadata.actor, r.metadata.door) for r in newest} == {("rita", "admin")}
    assert newest[0].correlation_id == newest[1].correlation_id is not None
    assert newest[0].event_id != newest[1].event_id


def test_a_decision_leads_to_the_lines_of_its_request(rita: Browser) -> None:
    first, second = added("First"), added("Second")
    confirmed(rita, chosen(rita, "invite", first, second))
    assert len({history(id)[-1].metadata.extra["request_id"] for id in (first, second)}) == 1


def test_the_confirmation_lists_status_score_version_and_what_would_be_refused(
    rita: Browser,
) -> None:
    strong, weak = added("Strong", 91.5), added("Weak", 60.0)
    given(commands.NoteOnCandidate(candidate_id=strong, text="called back"))
    text = text_of(chosen(rita, "invite", strong, weak))
    assert "Strong Added 91.5 2" in text
    assert (
        "Weak Will be refused as things are: The score 60.0 is below the threshold 75.0. "
        "Added 60.0 1"
    ) in text
    assert StorageEvent.objects.count() == 3


def test_a_rejection_asks_for_its_reason(rita: Browser) -> None:
    id = added()
    page = chosen(rita, "reject", id)
    again = confirmed(rita, page, note="kept over the error")
    assert "This field is required." in again.content.decode()
    assert "kept over the error" in again.content.decode()
    assert status_of(id) == "ADDED"
    confirmed(rita, again, reason="no_response", note="three mails")
    row = CandidateProjection.objects.get(pk=id)
    assert (row.status, row.rejection_reason, row.rejection_note) == (
        "REJECTED",
        "no_response",
        "three mails",
    )


@pytest.mark.parametrize(
    "fields", [{"reason": "bad luck"}, {"reason": "other", "note": "x" * 10_001}, {"token": "x"}]
)
def test_a_form_that_is_not_in_order_decides_nothing(rita: Browser, fields: dict[str, str]) -> None:
    id = added()
    page = confirmed(rita, chosen(rita, "reject", id), **fields)
    assert page.status_code == 200
    assert "Nothing was decided" in page.content.decode()
    assert status_of(id) == "ADDED"


@pytest.mark.parametrize(("until", "due_on"), [("", None), ("2026-12-24", date(2026, 12, 24))])
def test_standby_may_state_when_it_falls_due(
    rita: Browser, until: str, due_on: date | None
) -> None:
    id = added()
    confirmed(rita, chosen(rita, "standby", id), until=until)
    row = CandidateProjection.objects.get(pk=id)
    assert (row.status, row.due_on) == ("STANDBY", due_on)


def test_an_undo_names_the_newest_standing_decision_and_takes_it_back(rita: Browser) -> None:
    id = added()
    given(commands.MoveCandidateToStandby(candidate_id=id))
    given(commands.InviteCandidate(candidate_id=id), actor="otto")
    given(commands.UndoDecision(candidate_id=id, version=3))
    given(commands.RejectCandidate(candidate_id=id, reason=RejectionReason.OTHER), actor="hugo")
    given(commands.NoteOnCandidate(candidate_id=id, text="called back"))
    untouched = added("Untouched")
    page = chosen(rita, "undo", id, untouched)
    assert re.search(r"Rejected [^.]* UTC by hugo \(version 5\)", text_of(page))
    report = confirmed(rita, page)
    assert reported(report)["Untouched"].startswith("Refused. No decision stands")
    assert status_of(id) == "STANDBY"
    confirmed(rita, chosen(rita, "undo", id))
    assert status_of(id) == "ADDED"


def test_who_decided_on_an_old_version_is_told_who_changed_it(rita: Browser) -> None:
    id = added()
    page = chosen(rita, "invite", id)
    given(commands.RescoreCandidate(candidate_id=id, score=90.0, why="second look"), actor="otto")
    report = reported(confirmed(rita, page))["Ann"]
    assert re.fullmatch(
        r"Refused\. otto changed this candidate at \d+ \w+ \d{4}, \d\d:\d\d UTC: "
        r"it is at version 2 now, you saw version 1\.",
        report,
    )
    assert status_of(id) == "ADDED"


def test_an_undo_on_an_old_version_does_not_take_back_a_newer_decision(rita: Browser) -> None:
    id = added()
    given(commands.MoveCandidateToStandby(candidate_id=id))
    page = chosen(rita, "undo", id)
    given(commands.InviteCandidate(candidate_id=id), actor="otto")
    assert "otto changed this candidate" in reported(confirmed(rita, page))["Ann"]
    assert status_of(id) == "INVITED"


def test_a_form_sent_twice_decides_once_and_reports_the_same(rita: Browser) -> None:
    strong, weak = added("Strong"), added("Weak", 10.0)
    page = chosen(rita, "invite", strong, weak)
    first, second = confirmed(rita, page), confirmed(rita, page)
    assert reported(first) == reported(second)
    assert StorageEvent.objects.filter(stream_id=strong).count() == 2


def offered(page: Any) -> dict[str, tuple[int, str]]:
    """Candidate -> the version that the form names, and why it has to be ticked."""
    return {
        proposal.candidate.name: (proposal.seen.version, proposal.notice)
        for proposal in page.context["proposals"]
    }


OTTO = r"otto changed this candidate at [^.]* UTC: it is at version 2 now, you saw version 1\."


def test_a_form_error_does_not_take_a_version_that_nobody_looked_at(rita: Browser) -> None:
    moved, still = added("Moved"), added("Still")
    page = chosen(rita, "reject", moved, still)
    given(commands.RescoreCandidate(candidate_id=moved, score=99.0, why="oops"), actor="otto")
    again = confirmed(rita, page, note="no reason given")
    assert re.fullmatch(OTTO, offered(again)["Moved"][1])
    assert offered(again)["Still"] == (1, "")
    # As the browser sends it: what is not ticked is not sent.
    form = {
        "token": again.context["form"]["token"].value(),
        "shown": f"{moved}:2 {still}:1",
        "seen": [f"{still}:1"],
        "reason": "other",
    }
    rita.post(address("reject"), form)
    assert (status_of(moved), status_of(still)) == ("ADDED", "REJECTED")


def test_who_has_moved_is_decided_on_after_a_new_tick(rita: Browser) -> None:
    id = added()
    page = chosen(rita, "reject", id)
    given(commands.RescoreCandidate(candidate_id=id, score=99.0, why="oops"), actor="otto")
    again = confirmed(rita, page)
    confirmed(rita, again, shown=f"{id}:2", reason="other")
    assert status_of(id) == "REJECTED"


def test_who_was_not_ticked_stays_out_over_a_form_error(rita: Browser) -> None:
    out, ticked = added("Out"), added("In")
    form = {"token": str(uuid4()), "shown": f"{out}:1 {ticked}:1", "seen": f"{ticked}:1"}
    page = rita.post(address("reject"), form)
    assert offered(page) == {"Out": (1, "It was not ticked."), "In": (1, "")}
    assert 'value="Reject: 1 candidate and those ticked"' in page.content.decode()


def test_a_form_without_a_tick_decides_nothing_and_keeps_the_note(rita: Browser) -> None:
    id = added()
    form = {"token": str(uuid4()), "shown": f"{id}:1", "reason": "other", "note": "three mails"}
    page = rita.post(address("reject"), form)
    assert "Nothing was decided: Tick at least one candidate." in text_of(page)
    assert "three mails" in text_of(page)


@pytest.mark.parametrize("kind", KINDS)
def test_who_moved_since_the_list_was_shown_is_named(rita: Browser, kind: str) -> None:
    id = added()
    given(commands.RescoreCandidate(candidate_id=id, score=99.0, why="oops"), actor="otto")
    page = chosen(rita, kind, id, seen=[f"{id}:1", f"{uuid4()}:1"])
    assert re.fullmatch(OTTO, offered(page)["Ann"][1])
    assert "those ticked" in page.content.decode()


def test_the_list_and_the_page_of_a_candidate_say_which_version_they_show(rita: Browser) -> None:
    id = added()
    assert f'name="seen" value="{id}:1"' in rita.get(LIST).content.decode()
    page = rita.get(reverse("admin:candidates_candidateprojection_change", args=[id]))
    link = f"{address('reject')}?candidate={id}:1"
    assert link in page.content.decode()
    given(commands.RescoreCandidate(candidate_id=id, score=99.0, why="oops"), actor="otto")
    assert re.fullmatch(OTTO, offered(rita.get(link))["Ann"][1])


def test_who_was_ticked_and_left_the_filter_is_named(rita: Browser) -> None:
    here, gone = added("Here"), added("Gone")
    given(commands.RejectCandidate(candidate_id=gone, reason=RejectionReason.OTHER), actor="otto")
    form = {"action": "standby", "_selected_action": [str(here), str(gone)], "index": "0"}
    seen = [f"{here}:1", f"{gone}:1"]
    page = rita.post(f"{LIST}?status=ADDED", {**form, "seen": seen})
    assert offered(page)["Here"] == (1, "")
    version, notice = offered(page)["Gone"]
    assert version == 2
    assert notice.startswith("otto changed this candidate at")
    assert notice.endswith("The list's filters find it no more.")


def test_a_selection_that_has_left_the_filter_altogether_is_named(rita: Browser) -> None:
    gone = added("Gone")
    given(commands.InviteCandidate(candidate_id=gone))
    form = {"action": "standby", "_selected_action": str(gone), "index": "0", "seen": f"{gone}:1"}
    page = rita.post(f"{LIST}?status=ADDED", form)
    assert list(offered(page)) == ["Gone"]
    assert 'value="Move to standby: those ticked"' in page.content.decode()


def test_who_is_no_row_any_more_is_named_by_id(rita: Browser) -> None:
    here, never = added(), uuid4()
    page = chosen(rita, "invite", here, never, seen=[f"{here}:1", f"{never}:1"])
    assert f"There is no candidate {never} any more: it is left out." in text_of(page)


def test_who_is_refused_as_stale_may_be_decided_on_again_with_the_same_note(rita: Browser) -> None:
    moved, still = added("Moved"), added("Still")
    page = chosen(rita, "reject", moved, still)
    given(commands.RescoreCandidate(candidate_id=moved, score=99.0, why="oops"), actor="otto")
    report = confirmed(rita, page, reason="no_response", note="three mails\r\nno answer")
    assert (status_of(moved), status_of(still)) == ("ADDED", "REJECTED")
    assert list(offered(report)) == ["Moved"]
    assert "three mails no answer" in text_of(report)
    assert re.search('<option value="no_response" selected', report.content.decode())
    again = {"shown": f"{moved}:2", "reason": "no_response", "note": "three mails\r\nno answer"}
    confirmed(rita, report, **again)
    assert CandidateProjection.objects.get(pk=moved).rejection_note == "three mails\nno answer"


def test_a_note_that_went_with_a_refusal_is_shown(rita: Browser) -> None:
    id = added()
    page = chosen(rita, "reject", id)
    given(commands.RejectCandidate(candidate_id=id, reason=RejectionReason.OTHER), actor="otto")
    report = confirmed(rita, page, reason="no_response", note="three mails")
    assert "Your note was not kept with those refused three mails" in text_of(report)


@pytest.mark.parametrize("newline", ["\r\n", "\n", "\r"])
def test_a_line_break_of_a_note_counts_once(rita: Browser, newline: str) -> None:
    id = added()
    lines = ["x" * 99] * 99 + ["x" * 100]
    confirmed(rita, chosen(rita, "reject", id), reason="other", note=newline.join(lines))
    kept = CandidateProjection.objects.get(pk=id).rejection_note
    assert kept == "\n".join(lines)
    assert len(kept) == 10_000


def test_an_undo_sent_twice_takes_back_one_decision(rita: Browser) -> None:
    id = added()
    given(commands.MoveCandidateToStandby(candidate_id=id))
    given(commands.InviteCandidate(candidate_id=id))
    page = chosen(rita, "undo", id)
    first, second = confirmed(rita, page), confirmed(rita, page)
    assert reported(first) == reported(second) == {"Ann": "Done: version 4"}
    assert status_of(id) == "STANDBY"


def test_a_form_sent_again_with_other_content_is_refused(rita: Browser) -> None:
    id = added()
    page = chosen(rita, "reject", id)
    confirmed(rita, page, reason="withdrew")
    report = confirmed(rita, page, reason="other")
    assert "used before for a command with other content" in reported(report)["Ann"]
    assert CandidateProjection.objects.get(pk=id).rejection_reason == "withdrew"


def test_two_people_with_one_token_do_not_meet(staff: Callable[..., Browser]) -> None:
    rita, otto = staff("Recruiters"), staff("Recruiters", name="otto")
    id = added()
    page = chosen(rita, "invite", id)
    confirmed(rita, page)
    assert "rita changed this candidate" in reported(confirmed(otto, page))["Ann"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_candidate_leads_to_what_is_possible(rita: Browser, kind: str) -> None:
    id = added()
    given(commands.MoveCandidateToStandby(candidate_id=id))
    page = rita.get(reverse("admin:candidates_candidateprojection_change", args=[id]))
    link = f"{address(kind)}?candidate={id}"
    assert (link in page.content.decode()) == (kind != "standby")
    assert ("The candidate is Standby; this needs Added." in page.content.decode()) is True


@pytest.mark.parametrize("kind", KINDS)
def test_looking_at_the_form_changes_nothing(rita: Browser, kind: str) -> None:
    id = added()
    page = rita.get(address(kind), {"candidate": str(id)})
    assert page.status_code == 200
    assert StorageEvent.objects.count() == 1
    assert [proposal.seen for proposal in page.context["proposals"]] == [
        Seen(candidate_id=id, version=1)
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", ["Viewers", "Operators"])
def test_who_may_not_decide_is_offered_nothing_and_refused(
    staff: Callable[..., Browser], kind: str, group: str
) -> None:
    id = added()
    browser = staff(group, name="vera")
    assert 'name="action"' not in browser.get(LIST).content.decode()
    page = browser.get(reverse("admin:candidates_candidateprojection_change", args=[id]))
    assert address(kind) not in page.content.decode()
    form = {"seen": f"{id}:1", "token": str(uuid4()), "reason": "other"}
    assert browser.get(address(kind), {"candidate": str(id)}).status_code == 403
    assert browser.post(address(kind), form).status_code == 403
    assert chosen(browser, kind, id).status_code == 403
    assert StorageEvent.objects.count() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_an_anonymous_visitor_has_to_log_in(db: None, kind: str) -> None:
    id = added()
    form = {"seen": f"{id}:1", "token": str(uuid4()), "reason": "other"}
    response = Browser().post(address(kind), form)
    assert "You are not logged in any more. What you typed is kept" in text_of(response)
    response = Browser().get(address(kind))
    assert response["Location"].startswith("/admin/login/")
    assert StorageEvent.objects.count() == 1


def test_a_forged_form_is_refused(staff: Callable[..., Browser]) -> None:
    id = added()
    browser = staff("Recruiters", enforce_csrf_checks=True)
    form = {"seen": f"{id}:1", "token": str(uuid4())}
    assert browser.post(address("invite"), form).status_code == 403
    assert status_of(id) == "ADDED"


@pytest.mark.parametrize(
    "seen",
    [
        [],
        ["x"],
        ["0190a000-0000-7000-8000-000000000001"],
        ["0190a000-0000-7000-8000-000000000001:-1"],
        ["0190a000-0000-7000-8000-000000000001:1000000000"],
        ["------------------------------------:1"],
        [f"0190a000-0000-7000-8000-{n:012}:1" for n in range(501)],
    ],
)
def test_a_form_that_names_candidates_badly_is_a_bad_request(
    rita: Browser, seen: list[str]
) -> None:
    form = {"seen": seen, "token": str(uuid4())}
    assert rita.post(address("invite"), form).status_code == 400


def test_a_candidate_that_never_was_is_reported_as_such(rita: Browser) -> None:
    id = uuid4()
    page = rita.post(address("undo"), {"seen": f"{id}:1", "token": str(uuid4())})
    assert f"There is no candidate {id}." in page.content.decode()


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("?candidate=x", 400),
        ("?candidate=%00", 400),
        (f"?candidate={CANDIDATE_ID}", 404),
    ],
)
def test_an_address_that_names_no_candidate_is_refused(
    rita: Browser, query: str, status: int
) -> None:
    assert rita.get(address("invite") + query).status_code == status


def test_who_comes_back_without_a_choice_is_led_to_the_list(rita: Browser) -> None:
    """As after a login that ended while a decision was being confirmed."""
    response = rita.get(address("reject"), follow=True)
    assert response.redirect_chain == [(LIST, 302)]
    assert "Nothing was decided now: choose the candidates again." in text_of(response)


def test_there_are_four_decisions(rita: Browser) -> None:
    assert rita.get(f"{LIST}decide/promote/").status_code == 404


def test_only_so_many_are_decided_at_a_time(rita: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("candidates.admin.candidates.MOST_AT_ONCE", 2)
    ids = [added(name) for name in ("One", "Two", "Three")]
    response = chosen(rita, "invite", ids[0], select_across="1")
    assert [str(message) for message in get_messages(response.wsgi_request)] == [
        "At most 2 candidates at a time: filter or search for fewer."
    ]
    assert response.status_code == 302
    page = chosen(rita, "invite", *ids[:2])
    assert len(page.context["proposals"]) == 2


@pytest.mark.parametrize("ticked", [True, False])
def test_as_many_as_there_may_be_are_decided_at_once(rita: Browser, ticked: bool) -> None:
    ids = [str(added(f"Number {n}")) for n in range(3)] + [str(uuid4()) for _ in range(497)]
    seen = [f"{id}:1" for id in ids]
    form = {"token": str(uuid4()), "shown": " ".join(seen), "reason": "other" if ticked else ""}
    page = rita.post(address("reject"), {**form, "seen": seen, "note": "three mails"})
    assert page.status_code == 200
    assert ("3 done, 497 refused." in text_of(page)) == ticked
    assert ("three mails" in text_of(page)) or ticked


def test_select_across_takes_what_the_filters_leave(rita: Browser) -> None:
    given(commands.InviteCandidate(candidate_id=added("Invited")))
    first = added("First")
    added("Second")
    form = {"action": "standby", "_selected_action": str(first), "select_across": "1", "index": "0"}
    page = rita.post(f"{LIST}?status=ADDED", form)
    names = [proposal.candidate.name for proposal in page.context["proposals"]]
    assert names == ["Second", "First"]
    assert f"{LIST}?status=ADDED" in page.content.decode()


def test_neither_messages_nor_sessions_nor_the_admin_s_log_hold_a_name(rita: Browser) -> None:
    id = added("Zoë O’Brien-Muñoz")
    page = confirmed(rita, chosen(rita, "reject", id), reason="other", note="told her by phone")
    assert "Zoë O’Brien-Muñoz" in page.content.decode()
    assert list(get_messages(page.wsgi_request)) == []
    assert not LogEntry.objects.exists()
    kept = " ".join(str(session.get_decoded()) for session in Session.objects.all())
    assert kept
    assert "Zo" not in kept
    assert "phone" not in kept
