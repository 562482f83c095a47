"""A form of the admin that is sent after the session ended: what was typed is not lost."""

import html
import re
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.urls import reverse

from candidates.models import CandidateProjection
from tests import factories
from tests.browser import Browser, text_of
from tests.given import given

REJECT = reverse("admin:candidates_candidateprojection_decide", args=["reject"])
NOTE = "three mails\r\n“no answer” & <b>"
PASSWORD = "correct horse"
HERE = {"Origin": "http://testserver"}


@pytest.fixture
def ann(db: None) -> UUID:
    return given(factories.add(candidate_id=uuid4())).candidate_id


@pytest.fixture
def rita(user_in: Callable[..., User]) -> User:
    user = user_in("Recruiters", name="rita")
    user.is_staff = True
    user.set_password(PASSWORD)
    user.save()
    return user


def rejection(ann: UUID) -> dict[str, Any]:
    return {"token": str(uuid4()), "seen": f"{ann}:1", "reason": "other", "note": NOTE}


def fields_of(page: Any) -> dict[str, str]:
    """Name -> value of each hidden field."""
    inputs = re.findall(
        r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.content.decode()
    )
    return {name: html.unescape(value) for name, value in inputs}


def logged_in(browser: Browser, page: Any, password: str = PASSWORD) -> Any:
    """Submits the login form on `page`. Returns the page that is shown next."""
    form = {**fields_of(page), "username": "rita", "password": password}
    return browser.post("/admin/login/", form)


def test_a_note_survives_the_end_of_a_session(ann: UUID, rita: User) -> None:
    browser = Browser()
    page = browser.post(f"{REJECT}?_changelist_filters=q%3DAnn", rejection(ann))
    page = logged_in(browser, page)
    assert "What you sent before was not carried out yet" in text_of(page)
    assert CandidateProjection.objects.get().status == "ADDED"
    assert f'action="{REJECT}?_changelist_filters=q%3DAnn"' in page.content.decode()
    browser.post(REJECT, fields_of(page))
    row = CandidateProjection.objects.get()
    assert (row.status, row.rejection_note) == ("REJECTED", NOTE.replace("\r\n", "\n"))


def test_a_note_survives_a_wrong_password(ann: UUID, rita: User) -> None:
    browser = Browser()
    page = logged_in(browser, browser.post(REJECT, rejection(ann)), password="wrong")
    assert "Please enter the correct username and password" in text_of(page)
    fields = fields_of(logged_in(browser, page))
    assert fields["note"] == NOTE


def test_what_is_kept_is_in_no_session(ann: UUID, rita: User) -> None:
    browser = Browser()
    logged_in(browser, browser.post(REJECT, rejection(ann)))
    kept = [str(session.get_decoded()) for session in Session.objects.all()]
    assert kept
    assert "mails" not in " ".join(kept)


def test_a_selection_survives_the_end_of_a_session(ann: UUID, rita: User) -> None:
    browser = Browser()
    address = reverse("admin:candidates_candidateprojection_changelist")
    form = {"action": "reject", "_selected_action": str(ann), "index": "0", "seen": f"{ann}:1"}
    page = logged_in(browser, browser.post(address, form))
    page = browser.post(address, fields_of(page))
    assert [proposal.candidate.pk for proposal in page.context["proposals"]] == [ann]


def test_a_password_is_never_kept(db: None) -> None:
    form = {"old_password": "geheim", "new_password1": "geheim2", "new_password2": "geheim2"}
    page = Browser().post(reverse("admin:password_change"), form)
    assert page.status_code == 302
    assert "geheim" not in page["Location"]


def test_logging_out_without_a_session_leads_home(db: None) -> None:
    assert Browser().post("/admin/logout/", {"x": "1"})["Location"] == "/admin/"


def test_a_form_is_sent_again_to_no_other_site(ann: UUID, rita: User) -> None:
    browser = Browser()
    form = {**fields_of(browser.post(REJECT, rejection(ann))), "next": "https://evil.example/"}
    page = browser.post("/admin/login/", {**form, "username": "rita", "password": PASSWORD})
    assert "evil.example" not in page.content.decode()


def test_a_page_of_before_a_new_login_is_sent_again(ann: UUID, rita: User) -> None:
    """Its CSRF token is that of the session before."""
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(rita)
    page = browser.post(REJECT, rejection(ann), headers=HERE)
    assert page.status_code == 403
    fields = fields_of(page)
    assert fields["note"] == NOTE
    assert browser.post(REJECT, fields, headers=HERE).status_code == 200
    assert CandidateProjection.objects.get().status == "REJECTED"


def test_a_page_without_session_nor_cookie_asks_to_log_in(ann: UUID, rita: User) -> None:
    browser = Browser(enforce_csrf_checks=True)
    page = logged_in(browser, browser.post(REJECT, rejection(ann), headers=HERE))
    assert fields_of(page)["note"] == NOTE


def test_the_login_form_itself_may_be_of_before_a_new_login(ann: UUID, rita: User) -> None:
    browser = Browser(enforce_csrf_checks=True)
    page = browser.post(REJECT, rejection(ann), headers=HERE)
    stale = {**fields_of(page), "username": "rita", "password": PASSWORD}
    stale["csrfmiddlewaretoken"] = "x" * 64
    again = browser.post("/admin/login/", stale, headers=HERE)
    assert "What you typed is kept" in text_of(again)
    browser.force_login(rita)
    fields = fields_of(browser.post("/admin/login/", stale, headers=HERE))
    assert fields["note"] == NOTE
    browser.post(REJECT, fields, headers=HERE)
    assert CandidateProjection.objects.get().status == "REJECTED"


def test_a_browser_that_states_a_referrer_alone_is_believed(ann: UUID, rita: User) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(rita)
    here = {"Referer": f"http://testserver{REJECT}"}
    assert fields_of(browser.post(REJECT, rejection(ann), headers=here))["note"] == NOTE


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Referer": "https://evil.example/"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("known", [True, False])
def test_what_another_site_sent_is_not_kept(
    ann: UUID, rita: User, headers: dict[str, str], known: bool
) -> None:
    browser = Browser(enforce_csrf_checks=True)
    if known:
        browser.force_login(rita)
    page = browser.post(REJECT, rejection(ann), headers=headers)
    assert page.status_code == 403
    assert "mails" not in page.content.decode()


def test_who_may_not_enter_the_admin_is_told_so(ann: UUID, rita: User) -> None:
    rita.is_staff = False
    rita.save()
    browser = Browser()
    browser.force_login(rita)
    page = browser.post(REJECT, rejection(ann))
    assert "You are logged in as rita, who may not see this page." in text_of(page)
    assert CandidateProjection.objects.get().status == "ADDED"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "http:/\\evil.example",
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)//testserver",
        "data:text/html,x",
        "http://testserver@evil.example/",
        "http://testserver.evil.example/",
        "http:evil.example",
        "http:///evil.example",
        " //evil.example",
        "\t//evil.example",
        "\x08//evil.example",
        "/\t/evil.example",
        "http://[::1",
        "ftp://testserver/",
        "",
    ],
)
def test_a_next_to_elsewhere_ends_at_the_start_page(rita: User, elsewhere: str) -> None:
    login = {"username": "rita", "password": PASSWORD}
    browser = Browser()
    page = browser.get("/admin/login/", {"next": elsewhere})
    # Django 6 writes the start page where Django 5 writes nothing.
    assert fields_of(page).get("next") in ("", "/admin/")
    by_field = browser.post("/admin/login/", {**login, "next": elsewhere}, follow=True)
    assert (by_field.status_code, by_field.redirect_chain) == (200, [("/admin/", 302)])
    by_address = Browser().post(
        "/admin/login/", login, query_params={"next": elsewhere}, follow=True
    )
    assert (by_address.status_code, by_address.redirect_chain) == (200, [("/admin/", 302)])
    browser.force_login(rita)
    out = browser.post("/admin/logout/", {"next": elsewhere})
    assert "evil" not in out.get("Location", "")


def test_a_next_of_ours_is_where_a_login_leads(rita: User) -> None:
    here = "/admin/candidates/candidateprojection/?q=Ann%20Lee"
    login = {"username": "rita", "password": PASSWORD, "next": here}
    assert Browser().get(here)["Location"].startswith("/admin/login/?next=/admin/candidates/")
    assert Browser().post("/admin/login/", login)["Location"] == here


def test_a_form_from_a_trusted_origin_is_kept(ann: UUID, rita: User, settings: Any) -> None:
    """Where a proxy does not pass its own name on."""
    settings.CSRF_TRUSTED_ORIGINS = ["https://tracker.example.org", "https://*.example.net"]
    for origin in ("https://tracker.example.org", "https://a.example.net"):
        browser = Browser(enforce_csrf_checks=True)
        page = browser.post(REJECT, rejection(ann), headers={"Origin": origin})
        assert fields_of(page)["kept"]
    for origin in ("http://tracker.example.org", "https://example.org", "https://evil.example"):
        browser = Browser(enforce_csrf_checks=True)
        page = browser.post(REJECT, rejection(ann), headers={"Origin": origin})
        assert "kept" not in fields_of(page)
