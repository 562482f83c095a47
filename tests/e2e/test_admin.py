"""The admin and the API's page in a real browser, in light and dark, wide and narrow."""

import re
import shutil
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.contrib.auth.models import User
from knox.models import AuthToken
from playwright.sync_api import Browser, Page, expect, sync_playwright
from pytest_django.live_server_helper import LiveServer

from candidates.application import commands
from candidates.domain.events import RejectionReason
from candidates.models import CandidateProjection
from candidates.wiring import history
from eventstore.models import StorageEvent
from eventstore.wiring import parked_streams
from recruitment.tokens import issue
from tests import factories
from tests.backends import require
from tests.given import given

RUN = re.compile("^(Go|Run)$")
"""As Django 5.2 names the button beside the actions, and 6.1."""
PASSWORD = "correct horse battery staple"
NO_COMPLAINTS = ("status of 429", 'suggested: "username"')
"""About a page: that it is a refusal, and what Django's for another user's password lacks."""
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium")
    require("chromium", reachable=path is not None)
    with pytest.MonkeyPatch.context() as environment, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, in which Django refuses every query.
        environment.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=["light", "dark"])
def page(
    chromium: Browser, live_server: LiveServer, request: pytest.FixtureRequest
) -> Iterator[Page]:
    """A page that asks nobody but the server, and has nothing to complain about."""
    context = chromium.new_context(color_scheme=request.param, base_url=live_server.url)
    page = context.new_page()
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda asking: asked.append(asking.url))
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert [url for url in asked if not url.startswith((live_server.url, "data:"))] == []
    assert [one for one in complaints if not any(words in one for words in NO_COMPLAINTS)] == []


def log_in(page: Page, user: User) -> None:
    user.is_staff = True
    user.set_password(PASSWORD)
    user.save()
    page.goto("/admin/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def check_looks(page: Page, heading: str) -> None:
    """On the page of this heading nobody is shut out, and nothing lies beyond the edge."""
    expect(page.get_by_role("heading", level=1, name=heading, exact=True)).to_be_visible()
    page.wait_for_load_state()
    for width in (360, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        # Loading style sheets once more for itself is what the policy forbids it.
        found = Axe().run(page, options={"preload": False})
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def added(name: str, score: float, **profile: str) -> UUID:
    profile = {"name": name, **profile}
    return given(factories.add(candidate_id=uuid4(), profile=profile, score=score)).candidate_id


def test_a_recruiter_finds_a_candidate_and_reads_the_past(
    page: Page, user_in: Callable[..., User]
) -> None:
    resume = f"https://example.org/{'zoe' * 30}.pdf"
    id = added("Zoë O’Brien-Muñoz", 88.5, resume_url=resume, source="referral")
    given(commands.RejectCandidate(candidate_id=id, reason=RejectionReason.WITHDREW, note="<b>!"))
    given(commands.UndoDecision(candidate_id=id, version=2))
    added("W" * 200, 50, position="Lead " * 40, source="very-long-source-" * 10)

    page.goto("/admin/")
    check_looks(page, "Log in")
    log_in(page, user_in("Recruiters"))
    check_looks(page, "Overview")
    page.get_by_role("link", name="Candidates").last.click()
    check_looks(page, "Candidates")
    page.get_by_label("Search", exact=True).fill("o'brien munoz")
    page.get_by_role("button", name=RUN).first.click()
    expect(page.locator("#result_list tbody tr")).to_have_count(1)
    check_looks(page, "Candidates")
    page.get_by_role("link", name="Zoë O’Brien-Muñoz").click()

    check_looks(page, "Zoë O’Brien-Muñoz")
    expect(page.locator(".timeline > ol > li h3")).to_have_text(
        ["Added", "Rejected (undone in version 3)", "Reinstated"]
    )
    expect(page.locator(".timeline time").first).to_have_text(re.compile(r", \d\d:\d\d UTC$"))
    expect(page.get_by_role("link", name=resume)).to_be_visible()

    page.get_by_role("link", name="As it was at version 2").click()
    expect(page.locator(".fieldBox.field-status_label")).to_contain_text("Rejected")
    check_looks(page, "Zoë O’Brien-Muñoz")
    page.get_by_role("link", name="As it is now").click()
    expect(page.locator(".fieldBox.field-status_label")).to_contain_text("Added")


def test_a_mixed_selection_is_invited_where_the_rules_allow(
    page: Page, user_in: Callable[..., User]
) -> None:
    strong, weak, gone = added("Strong", 91.5), added("Weak", 60), added("Gone", 90)
    given(commands.RejectCandidate(candidate_id=gone, reason=RejectionReason.WITHDREW))
    log_in(page, user_in("Recruiters"))
    page.goto("/admin/candidates/candidateprojection/")
    for name in ("Strong", "Weak", "Gone"):
        page.get_by_role("row", name=name).get_by_role("checkbox").check()
    page.get_by_role("combobox", name="Action").select_option(label="Invite")
    page.get_by_role("button", name=RUN).last.click()
    expect(page.get_by_role("row", name="Weak")).to_contain_text("Will be refused as things are")
    check_looks(page, "Invite")
    page.get_by_role("button", name="Invite: 3 candidates").dblclick()

    expect(page.get_by_role("status")).to_have_text("1 done, 2 refused.")
    expect(page.get_by_role("row", name="Strong")).to_contain_text("Done: version 2")
    expect(page.get_by_role("row", name="Weak")).to_contain_text(
        "Refused. The score 60.0 is below the threshold 75.0."
    )
    expect(page.get_by_role("row", name="Gone")).to_contain_text(
        "Refused. The candidate is Rejected"
    )
    check_looks(page, "Invite")
    statuses = dict(CandidateProjection.objects.values_list("pk", "status"))
    assert statuses == {strong: "INVITED", weak: "ADDED", gone: "REJECTED"}
    assert len(history(strong)) == 2


def test_a_rejection_is_taken_from_the_candidate_s_page_to_its_report(
    page: Page, user_in: Callable[..., User]
) -> None:
    id = added("Ann", 80)
    log_in(page, user_in("Recruiters"))
    page.goto(f"/admin/candidates/candidateprojection/{id}/change/")
    page.get_by_role("link", name="Reject…").click()
    check_looks(page, "Reject")
    page.get_by_label("Reason").select_option(label="No response")
    page.get_by_label("Note").fill("three mails")
    page.get_by_role("button", name="Reject: 1 candidate").click()
    page.get_by_role("link", name="Ann").click()
    check_looks(page, "Ann")
    expect(page.locator(".field-rejection_reason")).to_contain_text("No response")
    expect(page.get_by_role("link", name="Undo the newest decision…")).to_be_visible()


def test_a_note_outlives_a_form_error_a_change_by_somebody_else_and_the_session(
    page: Page, user_in: Callable[..., User]
) -> None:
    id = added("Ann", 80)
    user = user_in("Recruiters")
    log_in(page, user)
    page.goto(f"/admin/candidates/candidateprojection/{id}/change/")
    page.get_by_role("link", name="Reject…").click()
    page.get_by_label("Note").fill("three mails\nno answer")
    given(commands.RescoreCandidate(candidate_id=id, score=99.0, why="oops"), actor="otto")
    page.locator("form[action*=decide]").evaluate("form => form.noValidate = true")
    page.get_by_role("button", name="Reject: 1 candidate").click()
    expect(page.get_by_text("This field is required.")).to_be_visible()
    expect(page.get_by_role("row", name="Ann")).to_contain_text("otto changed this candidate")
    check_looks(page, "Reject")

    page.get_by_label("Reason").select_option(label="No response")
    page.get_by_role("button", name="Reject: those ticked").click()
    expect(page.get_by_text("Tick at least one candidate.")).to_be_visible()
    page.get_by_role("checkbox", name="Ann").check()
    page.context.clear_cookies(name="sessionid")
    page.get_by_role("button", name="Reject: those ticked").click()
    expect(page.get_by_text("What you typed is kept")).to_be_visible()
    check_looks(page, "Log in")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    check_looks(page, "Send it now?")
    given(commands.RescoreCandidate(candidate_id=id, score=98.0, why="again"), actor="otto")
    page.get_by_role("button", name="Send it now").click()
    expect(page.get_by_role("status")).to_have_text("0 done, 1 refused.")
    check_looks(page, "Reject")

    expect(page.get_by_label("Note")).to_have_value("three mails\nno answer")
    page.get_by_role("checkbox", name="Ann").check()
    page.get_by_role("button", name="Reject: those ticked").click()
    expect(page.get_by_role("status")).to_have_text("1 done, 0 refused.")
    assert CandidateProjection.objects.get().rejection_note == "three mails\nno answer"


def test_a_viewer_reads_statistics_of_now_and_of_an_earlier_time(
    page: Page, user_in: Callable[..., User]
) -> None:
    given(commands.InviteCandidate(candidate_id=added("Ann", 80, source="fair " * 40)))
    log_in(page, user_in("Viewers"))
    page.get_by_role("link", name="Candidates").last.click()
    page.get_by_role("link", name="Statistics").click()
    check_looks(page, "Statistics")
    expect(page.get_by_role("row", name="Invited").first).to_contain_text("1")
    page.get_by_label("As of").fill("2026-01-01T12:00")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("note")).to_contain_text("This is how it was on 1 Jan 2026, 12:00 UTC")
    check_looks(page, "Statistics")
    page.get_by_role("link", name="As it is now").click()
    expect(page.get_by_role("note")).to_have_count(0)


def test_an_operator_reads_the_log(page: Page, user_in: Callable[..., User]) -> None:
    added("Ann", 80)
    log_in(page, user_in("Operators"))
    page.get_by_role("link", name="Storage events").last.click()
    check_looks(page, "Storage events")
    position = StorageEvent.objects.get().position
    page.get_by_role("link", name=str(position), exact=True).click()
    expect(page.locator(".field-stored_data")).to_contain_text('"score": 80.0')
    check_looks(page, "View storage event")


def test_an_operator_issues_and_revokes_a_token(page: Page, user_in: Callable[..., User]) -> None:
    user_in("Recruiters", name="ann")
    log_in(page, user_in("Operators"))
    page.get_by_role("link", name="API tokens").last.click()
    check_looks(page, "API tokens")
    page.get_by_role("link", name="Issue API token").click()
    page.get_by_role("button", name="Issue token").click()
    page.get_by_label("User", exact=False).select_option(label="ann")
    page.get_by_label("Expires", exact=False).fill("2020-01-31T00:00")
    page.get_by_role("button", name="Issue token").click()
    expect(page.get_by_text("No token was issued")).to_be_visible()
    check_looks(page, "Issue API token")
    page.get_by_label("Expires", exact=False).fill("2127-01-31T00:00")
    page.get_by_role("checkbox", name="read").check()
    page.get_by_role("button", name="Issue token").click()

    check_looks(page, "API token issued")
    token = page.locator("code.token").inner_text()
    page.get_by_role("link", name="Back to the list").click()
    check_looks(page, "API tokens")
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_role("link", name=f"Revoke {token[:8]}").click()
    check_looks(page, "Revoke API token")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text(f"The token {token[:8]}… of ann is revoked.")).to_be_visible()
    check_looks(page, "API tokens")


def test_who_fails_to_sign_in_too_often_is_told_how_long_to_wait(
    page: Page, user_in: Callable[..., User], settings: Any
) -> None:
    settings.SIGN_IN_THROTTLES = {"address": None, "name": None, "name_at_address": (1, 3600)}
    user_in("Recruiters")
    page.goto("/admin/")
    for _ in range(2):
        page.get_by_label("Username").fill("rita")
        page.get_by_label("Password").fill("a wrong one")
        page.get_by_role("button", name="Log in").click()
    refusal = "Too many failed attempts. Try again in 60 minutes."
    expect(page.get_by_text(refusal)).to_be_visible()
    expect(page.get_by_label("Username")).to_have_value("rita")
    expect(page.get_by_label("Password")).to_have_value("")
    check_looks(page, "Log in")


def test_a_new_password_takes_tokens_along(page: Page, user_in: Callable[..., User]) -> None:
    ann, root = user_in(name="ann"), user_in(name="root")
    for user in (ann, root):
        issue(user)
    root.is_superuser = True
    log_in(page, root)
    page.get_by_role("link", name="Change password").click()
    check_looks(page, "Password change")
    page.get_by_role("button", name="Change my password").click()
    page.get_by_label("Old password").fill("a wrong one")
    page.get_by_label("New password:").fill(f"{PASSWORD}!")
    page.get_by_label("New password confirmation").fill(f"{PASSWORD}!")
    page.get_by_label("Revoke my API tokens").check()
    page.get_by_role("button", name="Change my password").click()
    expect(page.get_by_text("Your password was not changed")).to_be_visible()
    check_looks(page, "Password change")
    page.get_by_label("Old password").fill(PASSWORD)
    page.get_by_label("New password:").fill(f"{PASSWORD}!")
    page.get_by_label("New password confirmation").fill(f"{PASSWORD}!")
    page.get_by_role("button", name="Change my password").click()
    expect(page.get_by_text("Your password was changed.")).to_be_visible()
    assert [token.user for token in AuthToken.objects.all()] == [ann]

    page.goto(f"/admin/auth/user/{ann.pk}/password/")
    page.get_by_label("Revoke the API tokens of this user").check()
    check_looks(page, "Set password: ann")
    page.get_by_label("Password:").fill(PASSWORD)
    page.get_by_label("Password confirmation").fill(PASSWORD)
    page.get_by_role("button", name="Enable password-based authentication").click()
    expect(page.get_by_text("Password changed successfully.")).to_be_visible()
    assert not AuthToken.objects.exists()


def test_an_operator_retries_a_parked_stream(page: Page, user_in: Callable[..., User]) -> None:
    id = added("Ann", 80)
    failure = type("ValueOfA" + "Very" * 20 + "LongNameError", (ValueError,), {})
    parked_streams().park(
        "candidates", id, version=1, event_type="candidate.added", error=failure()
    )
    log_in(page, user_in("Operators"))
    page.get_by_role("link", name="Parked streams").last.click()
    check_looks(page, "Parked streams")
    page.get_by_role("link", name=str(id)).click()
    check_looks(page, "View parked stream")
    page.get_by_role("link", name="Retry…").click()
    check_looks(page, "Retry a parked stream")
    page.get_by_role("button", name="Retry").click()
    expect(page.get_by_text("are up to the log")).to_be_visible()
    check_looks(page, "Parked streams")


def test_the_api_s_page_works_under_the_policy(page: Page) -> None:
    page.goto("/api/v1/docs/")
    page.get_by_role("button", name="get /api/v1/candidates/", exact=False).first.click()
    expect(page.get_by_text("Parameters").first).to_be_visible()


def test_who_is_logged_in_tries_the_api_out_on_its_page(
    page: Page, user_in: Callable[..., User]
) -> None:
    log_in(page, user_in("Recruiters"))
    page.goto("/api/v1/docs/")
    for operation, status in (("add_candidate", "201"), ("list_candidates", "200")):
        block = page.locator(f"[id$=-{operation}]")
        block.get_by_role("button").first.click()
        block.get_by_role("button", name="Try it out").click()
        block.get_by_role("button", name="Execute").click()
        answered = block.locator(".live-responses-table .response-col_status").last
        expect(answered).to_contain_text(status)
    added = CandidateProjection.objects.get()
    assert history(added.pk)[0].metadata.actor == "rita"
