"""Reading in the admin, and that nothing there can be changed but by a decision."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from html import unescape
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import NoReverseMatch, reverse

from candidates.admin import CandidateAdmin
from candidates.application import commands
from candidates.domain.events import RejectionReason
from candidates.models import CandidateProjection
from eventstore.admin.view_only import CappedPaginator
from eventstore.models import StorageEvent
from tests import factories
from tests.browser import Browser, text_of
from tests.given import given
from tests.scenario import CANDIDATE_ID

LIST = reverse("admin:candidates_candidateprojection_changelist")
Staff = Callable[..., Browser]


def added(score: float = 80.0, **profile: Any) -> UUID:
    return given(factories.add(candidate_id=uuid4(), profile=profile, score=score)).candidate_id


def page_of(id: UUID) -> str:
    return reverse("admin:candidates_candidateprojection_change", args=[id])


def listed(response: Any) -> list[str]:
    return [candidate.name for candidate in response.context["cl"].result_list]


def test_the_list_shows_the_newest_first_with_status_score_source_position_and_since_when(
    staff: Staff,
) -> None:
    added(name="First")
    second = added(91.5, name="Second", source="referral", position="Designer")
    given(commands.InviteCandidate(candidate_id=second))
    response = staff("Viewers").get(LIST)
    assert listed(response) == ["Second", "First"]
    assert '<span class="status status-invited">Invited</span>' in response.content.decode()
    assert re.search(r"Invited .*UTC 91.5 Designer referral", text_of(response))


@pytest.mark.parametrize("zone", ["UTC", "CET"])
def test_times_are_local_and_name_their_zone(
    staff: Staff, settings: Any, now: datetime, zone: str
) -> None:
    settings.TIME_ZONE = zone
    given(factories.add(), occurred_at=now)
    shown = {"UTC": "1 Mar 2026, 12:00 UTC", "CET": "1 Mar 2026, 13:00 CET"}[zone]
    assert shown in text_of(staff("Viewers").get(LIST))


def test_retracted_candidates_are_shown_to_who_asks_for_them(staff: Staff) -> None:
    added(name="Here")
    given(commands.RetractCandidate(candidate_id=added(name="Gone"), why="added twice"))
    browser = staff("Viewers")
    assert listed(browser.get(LIST)) == ["Here"]
    assert listed(browser.get(LIST, {"status": "RETRACTED"})) == ["Gone"]
    assert listed(browser.get(LIST, {"status": "ADDED"})) == ["Here"]


@pytest.mark.parametrize(
    "text",
    [
        "muñoz",
        "MUNOZ o'brien",
        "O’BRIEN",
        "Zoe@Example.org",
        "backend köln",
        "+49 170 1234567",
        "0049 (170) 123-4567",
        "0170/1234567",
        "hr-0042",
    ],
)
def test_a_search_finds_whatever_the_spelling(staff: Staff, text: str) -> None:
    added(
        name="Zoë O'Brien-Muñoz",
        email="zoe@example.org",
        phone="+49 (170) 123-4567",
        position="Backend engineer",
        location="Köln",
        external_id="HR-0042",
    )
    added(name="Somebody Else", phone="+44 20 7946 0000", external_id="HR-0043")
    assert listed(staff("Viewers").get(LIST, {"q": text})) == ["Zoë O'Brien-Muñoz"]


def test_a_search_finds_the_id(staff: Staff) -> None:
    added(name="Somebody Else")
    id = added(name="Ann")
    assert listed(staff("Viewers").get(LIST, {"q": str(id)})) == ["Ann"]


@pytest.mark.parametrize("text", ["nobody", "12", "%", "_", "\\"])
def test_a_search_without_a_match_finds_nobody(staff: Staff, text: str) -> None:
    added(name="Ann", phone="+49 170 1234567")
    assert listed(staff("Viewers").get(LIST, {"q": text})) == []


def test_the_list_filters_by_source_and_position(staff: Staff) -> None:
    added(name="Ann", source="referral", position="Designer")
    added(name="Bo", source="website")
    browser = staff("Viewers")
    assert listed(browser.get(LIST, {"source": "referral"})) == ["Ann"]
    assert listed(browser.get(LIST, {"applied_position": "Designer"})) == ["Ann"]
    assert listed(browser.get(LIST, {"source": "referral", "status": "INVITED"})) == []


@pytest.mark.parametrize(
    "query",
    [
        "score__regex=(",
        "status=NONE",
        "source=%00",
        "q=%00",
        "p=x",
        "added_at__gte=x",
        "o=99",
        "e=1",
    ],
)
def test_no_query_breaks_the_list(staff: Staff, query: str) -> None:
    added(name="Ann")
    assert staff("Viewers").get(f"{LIST}?{query}").status_code in (200, 302, 400)


def test_a_long_list_is_counted_no_further_than_the_cap(
    staff: Staff, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CappedPaginator, "cap", 2)
    monkeypatch.setattr(CandidateAdmin, "list_per_page", 1)
    for name in ("One", "Two", "Three"):
        added(name=name)
    browser = staff("Viewers")
    response = browser.get(LIST)
    assert listed(response) == ["Three"]
    assert listed(browser.get(LIST, {"p": 2})) == ["Two"]
    assert browser.get(LIST, {"p": 3}).status_code == 302
    assert "More than 2 candidates: the first 2 are listed." in text_of(response)


def test_the_timeline_tells_what_who_for_whom_when_and_by_which_door(
    staff: Staff, now: datetime
) -> None:
    id = given(factories.add(score=88.5), occurred_at=now).candidate_id
    given(commands.MoveCandidateToStandby(candidate_id=id, until=date(2026, 12, 24)))
    given(
        commands.RejectCandidate(
            candidate_id=id, reason=RejectionReason.POSITION_FILLED, note="Full until spring."
        ),
        actor="otto",
        on_behalf_of="Eszter Nagy",
        door="command line",
    )
    given(commands.UndoDecision(candidate_id=id, version=3), door="admin")
    given(commands.RescoreCandidate(candidate_id=id, score=91.0, why="second interview"))
    given(commands.ChangeProfile(candidate_id=id, profile={"name": "Ann Muñoz", "tags": ["x"]}))
    given(commands.NoteOnCandidate(candidate_id=id, text="called back"))
    given(commands.InviteCandidate(candidate_id=id))
    response = staff("Viewers").get(page_of(id))
    content, text = response.content.decode(), text_of(response)
    for told in (
        r"Added 1 Mar 2026, 12:00 UTC , recorded .* UTC , by rita , through the API Score 88.5",
        r"Moved to standby [^,]*, \d\d:\d\d UTC , by rita , through the API Due on 24 Dec 2026",
        (
            r"Rejected \(undone in version 4\) .* by otto on behalf of Eszter Nagy , "
            r"through the command line Reason Position filled Note Full until spring\. "
            r"Score 88\.5, with a threshold of 75\.0 on that day"
        ),
        (
            r"Reinstated .* through the admin Taken back the rejection of version 3 "
            r"Status again Standby"
        ),
        r"Rescored .* Score 91\.0 Why second interview",
        r"Profile changed .* email removed name Ann Muñoz tags x",
        r"Note .* Text called back",
        r"Invited .* Score 91\.0, with a threshold of 75\.0 on that day",
    ):
        assert re.search(told, text), told
    assert re.findall(r'<li value="(\d)">', content) == list("12345678")
    assert '<time datetime="2026-03-01T12:00:00+00:00">' in content


def test_each_entry_leads_to_the_candidate_as_it_was_then(staff: Staff) -> None:
    id = given(factories.add(profile={"name": "Ann"}, score=80.0)).candidate_id
    given(commands.InviteCandidate(candidate_id=id))
    given(commands.ChangeProfile(candidate_id=id, profile={"name": "Ann Muñoz"}))
    given(commands.UndoDecision(candidate_id=id, version=2))
    browser = staff("Recruiters")
    filters = "_changelist_filters=q%3Dann"
    now = browser.get(f"{page_of(id)}?{filters}")
    links = re.findall(r'href="(\?version=\d[^"]*)">As it was at version \d<', now.content.decode())
    assert links == [f"?version={version}&amp;{filters}" for version in range(1, 5)]

    then = browser.get(f"{page_of(id)}{unescape(links[1])}")

    text = text_of(then)
    assert then.context["title"] == "Ann"
    assert "This is how it was at version 2. As it is now" in text
    assert re.findall(r'<li value="(\d)">', then.content.decode()) == ["1", "2"]
    assert re.search(r"Status: Invited", text)
    for later in ("Muñoz", "undone in version", "Reject…", "Not possible"):
        assert later not in text
    assert f'href="{page_of(id)}?{filters}"' in then.content.decode()
    assert CandidateProjection.objects.get().name == "Ann Muñoz"


@pytest.mark.parametrize("version", ["0", "3", "-1", "x", "", "1.0", "٢", "9" * 5000, "%00"])
def test_the_admin_shows_no_version_that_is_not_there(staff: Staff, version: str) -> None:
    id = added(name="Ann")
    given(commands.NoteOnCandidate(candidate_id=id, text="called back"))
    browser = staff("Viewers")
    assert browser.get(f"{page_of(id)}?version={version}").status_code == 404
    assert browser.get(f"{page_of(id)}?version=2").status_code == 200
    assert browser.get(f"{page_of(uuid4())}?version=1").status_code == 302


def test_a_rejection_of_the_first_schema_has_no_threshold_to_tell(staff: Staff) -> None:
    id = added(name="Ann")
    StorageEvent.objects.create(
        event_id=uuid4(),
        stream_type="candidate",
        stream_id=id,
        version=2,
        event_type="candidate.rejected",
        schema_version=1,
        data='{"reason":"too far away"}',
        metadata='{"actor":"old","door":"import"}',
        occurred_at=datetime.now(UTC),
        recorded_at=datetime.now(UTC),
    )
    text = text_of(staff("Viewers").get(page_of(id)))
    assert "Reason Other Note too far away As it was at version 2 Back to the list" in text


def test_the_page_of_a_candidate_stays_readable_where_the_history_is_not(staff: Staff) -> None:
    id = added(name="Ann")
    StorageEvent.objects.create(
        event_id=uuid4(),
        stream_type="candidate",
        stream_id=id,
        version=2,
        event_type="candidate.promoted",
        schema_version=1,
        data="{}",
        metadata='{"actor":"new","door":"api"}',
        occurred_at=datetime.now(UTC),
        recorded_at=datetime.now(UTC),
    )
    response = staff("Recruiters").get(page_of(id))
    assert response.status_code == 200
    assert "The history cannot be read." in text_of(response)
    assert "candidate.promoted" in text_of(response)
    past = staff("Viewers", name="vera").get(f"{page_of(id)}?version=1", follow=True)
    assert past.redirect_chain == [(page_of(id), 302)]
    assert "The past cannot be shown." in text_of(past)


HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def test_every_value_is_escaped_on_every_page(staff: Staff) -> None:
    id = added(
        name=HOSTILE,
        email=HOSTILE,
        source=HOSTILE,
        position=HOSTILE,
        hostile={HOSTILE: [HOSTILE, {"deep": HOSTILE}]},
    )
    given(commands.NoteOnCandidate(candidate_id=id, text=HOSTILE))
    given(
        commands.RejectCandidate(candidate_id=id, reason=RejectionReason.OTHER, note=HOSTILE),
        actor=HOSTILE,
        on_behalf_of=HOSTILE,
        door=HOSTILE,
    )
    browser = staff("Recruiters")
    decide = reverse("admin:candidates_candidateprojection_decide", args=["undo"])
    seen = {"seen": f"{id}:3", "token": str(uuid4())}
    for response in (
        browser.get(LIST),
        browser.get(page_of(id)),
        browser.get(decide, {"candidate": str(id)}),
        browser.post(decide, seen),
    ):
        content = response.content.decode()
        assert "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt;&quot;&gt;&lt;img" in content
        assert "<script>alert" not in content
        assert "<img src=x" not in content


@pytest.mark.parametrize(
    ("url", "is_link"),
    [
        ("https://example.org/cv.pdf?a=1&b=2", True),
        ("http://example.org/", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)//http://example.org/", False),
        ("data:text/html,<script>", False),
        ("ftp://example.org/", False),
        ("//example.org/", False),
        ('https://example.org/" onclick="alert(1)', False),
    ],
)
def test_only_web_addresses_become_links(staff: Staff, url: str, is_link: bool) -> None:
    id = added(name="Ann", resume_url=url, other={"nested": [url]})
    content = staff("Viewers").get(page_of(id)).content.decode()
    links = re.findall(r'<a href="[^"]*" rel="noopener noreferrer nofollow">', content)
    assert len(links) == (2 if is_link else 0)


def test_a_profile_is_shown_whole_and_as_it_was_typed(staff: Staff) -> None:
    id = added(
        name="Ann",
        active=True,
        salary=None,
        grade=1.3,
        big=10**30,
        nothing="",
        nobody=[],
        school={"name": "ETH", "years": [2014, 2019]},
    )
    shown = text_of(staff("Viewers").get(page_of(id)))
    for told in (
        "active true",
        "salary none",
        "grade 1.3",
        f"big {10**30}",
        "nothing empty",
        "nobody empty",
        "school name ETH years 2014 2019",
    ):
        assert told in shown


@pytest.mark.parametrize("who", ["anonymous", "Viewers", "Operators", "superuser"])
def test_nobody_can_add_change_or_delete_by_any_address(staff: Staff, who: str) -> None:
    id = added(name="Ann")
    browser = Browser()
    if who != "anonymous":
        browser = staff(who, superuser=who == "superuser")
    event = StorageEvent.objects.get()
    before = [
        list(model.objects.order_by("pk").values()) for model in (CandidateProjection, StorageEvent)
    ]
    form = {
        "name": "Mallory",
        "score": "100",
        "status": "INVITED",
        "version": "9",
        "event_type": "candidate.invited",
        "post": "yes",
        "_save": "Save",
        "action": "delete_selected",
        "_selected_action": [str(id), str(event.pk)],
        "index": "0",
    }
    for model, pk in (
        ("candidates/candidateprojection", id),
        ("eventstore/storageevent", event.pk),
    ):
        for rest in ("", "add/", f"{pk}/", f"{pk}/change/", f"{pk}/delete/", f"{pk}/history/"):
            response = browser.post(f"/admin/{model}/{rest}", form)
            if who == "anonymous":
                assert response.templates[0].name == "admin/login.html", rest
                continue
            # Who may decide is shown the list once more.
            refused = (200, 302, 403, 404) if who == "superuser" and not rest else (302, 403, 404)
            assert response.status_code in refused, rest
    assert [
        list(m.objects.order_by("pk").values()) for m in (CandidateProjection, StorageEvent)
    ] == before
    assert not LogEntry.objects.exists()


@pytest.mark.parametrize("page", ["add", "delete", "history"])
@pytest.mark.parametrize("model", ["candidates_candidateprojection", "eventstore_storageevent"])
def test_forms_that_write_have_no_address(page: str, model: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(f"admin:{model}_{page}", args=[] if page == "add" else [1])


def test_who_is_not_staff_or_may_not_view_sees_nothing(
    staff: Staff, user_in: Callable[..., User]
) -> None:
    id = added(name="Ann")
    outsider = Client()
    outsider.force_login(user_in("Recruiters", name="not-staff"))
    assert outsider.get(LIST).status_code == 302
    for address in (LIST, page_of(id)):
        assert staff(name=f"nobody {address}").get(address).status_code == 403


@pytest.mark.parametrize("id", [CANDIDATE_ID, "no-id", "1"])
def test_an_id_that_is_nobody_s_leads_back_with_a_message(staff: Staff, id: object) -> None:
    response = staff("Viewers").get(f"{LIST}{id}/change/")
    assert (response.status_code, response["Location"]) == (302, "/admin/")


def test_the_overview_does_not_say_that_nothing_was_decided(staff: Staff) -> None:
    assert "Recent actions" not in text_of(staff("Recruiters").get("/admin/"))
