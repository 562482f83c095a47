"""Operators issue and revoke API tokens; a token is in one answer and nowhere else."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from knox.models import AuthToken
from rest_framework.test import APIClient

from recruitment.models import Scope, TokenScopes
from recruitment.tokens import issue
from tests.browser import Browser, text_of

LIST = "/admin/recruitment/apitoken/"
ISSUE = f"{LIST}add/"
API = "/api/v1/candidates/"
Staff = Callable[..., Browser]


def _token_in(answer: Any) -> str:
    (token,) = re.findall(r'<code class="token">([0-9a-zA-Z]+)</code>', answer.content.decode())
    return str(token)


def _statuses(token: str) -> tuple[int, int]:
    """Of a read and of an add."""
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    add = {"profile": {}, "score": 80}
    return client.get(API).status_code, client.post(API, add).status_code


@pytest.fixture
def ann(user_in: Callable[..., User]) -> User:
    return user_in("Recruiters", name="ann")


@pytest.mark.parametrize(
    ("scopes", "statuses"),
    [([], (200, 201)), (["read"], (200, 403)), (["read", "command"], (200, 201))],
)
def test_an_operator_issues_a_token_for_some_scopes(
    staff: Staff, ann: User, scopes: list[str], statuses: tuple[int, int]
) -> None:
    answer = staff("Operators").post(ISSUE, {"user": ann.pk, "scopes": scopes})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    assert _statuses(_token_in(answer)) == statuses
    kept = AuthToken.objects.get()
    assert (kept.user, kept.expiry) == (ann, None)


def test_a_token_expires_when_the_form_says(staff: Staff, ann: User, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"
    answer = staff("Operators").post(ISSUE, {"user": ann.pk, "expires": "2127-01-31T01:00"})
    assert "31 Jan 2127, 01:00 CET" in text_of(answer)
    assert AuthToken.objects.get().expiry.isoformat() == "2127-01-31T00:00:00+00:00"


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("user", "", "This field is required."),
        ("user", "x", "Select a valid choice."),
        ("user", "\x00", "Null characters are not allowed."),
        ("scopes", "write", "Select a valid choice."),
        ("scopes", "\x00", "Select a valid choice."),
        ("expires", "2020-01-31T00:00", "2020-01-31T00:00:00+00:00 is past"),
        ("expires", "9999-12-31T23:59", "before the year 9999"),
        ("expires", "0001-01-01T00:00+14:00", "is past"),
        ("expires", "soon", "Enter a valid date/time."),
    ],
)
def test_what_makes_no_token_is_marked(
    staff: Staff, ann: User, field: str, value: str, words: str
) -> None:
    answer = staff("Operators").post(ISSUE, {"user": ann.pk, field: value})
    assert answer.status_code == 200
    assert words in text_of(answer)
    assert not AuthToken.objects.exists()


def test_no_token_of_a_superuser_or_of_who_is_not_active_is_issued(
    staff: Staff, user_in: Callable[..., User]
) -> None:
    root, gone = user_in(name="root"), user_in(name="gone")
    User.objects.filter(pk=root.pk).update(is_superuser=True)
    User.objects.filter(pk=gone.pk).update(is_active=False)
    operator = staff("Operators")
    for user in (root, gone):
        assert user.username not in operator.get(ISSUE).content.decode()
        assert "Select a valid choice." in text_of(operator.post(ISSUE, {"user": user.pk}))
    assert not AuthToken.objects.exists()
    other = staff(name="another root", superuser=True)
    assert _token_in(other.post(ISSUE, {"user": root.pk}))


def _everything_kept() -> str:
    """Each row of every table."""
    rows = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            rows += cursor.fetchall()
    return str(rows)


def test_a_token_is_shown_once_and_kept_nowhere(staff: Staff, ann: User) -> None:
    operator = staff("Operators")
    answer = operator.post(ISSUE, {"user": ann.pk, "scopes": ["read"]})
    token = _token_in(answer)
    assert answer.content.decode().count(token) == 1
    assert token not in str(answer.headers) + str(answer.cookies)
    assert token not in _everything_kept()
    assert token not in str([session.get_decoded() for session in Session.objects.all()])
    assert token not in operator.get(LIST).content.decode()
    assert token not in operator.get(ISSUE).content.decode()
    entry = LogEntry.objects.get()
    assert (entry.object_repr, entry.is_addition()) == (f"{token[:8]}… of ann", True)


def test_the_list_tells_tokens_apart(staff: Staff, ann: User) -> None:
    now = timezone.now()
    _, unlimited = issue(ann)
    _, limited = issue(ann, scopes=[Scope.READ, Scope.FEED], expires=now + timedelta(days=1))
    AuthToken.objects.filter(token_key=limited[:15]).update(expiry=now)
    shown = text_of(staff("Operators").get(LIST))
    assert re.search(rf"{unlimited[:8]}… ann everything .* never Revoke", shown)
    assert re.search(rf"{limited[:8]}… ann feed, read .* expired .* Revoke", shown)


def test_an_operator_revokes_a_token_after_being_asked(staff: Staff, ann: User) -> None:
    kept, token = issue(ann, scopes=[Scope.READ])
    _, other = issue(ann, scopes=[Scope.READ])
    operator, url = staff("Operators"), f"{LIST}{kept.pk}/delete/"
    assert f"Begins with {token[:8]}…" in text_of(operator.get(url))
    assert _statuses(token) == (200, 403)
    answer = operator.post(url, follow=True)
    assert f"The token {token[:8]}… of ann is revoked." in text_of(answer)
    assert (_statuses(token), _statuses(other)) == ((401, 401), (200, 403))
    assert TokenScopes.objects.count() == 1
    assert LogEntry.objects.get().is_deletion()
    for answer in (operator.get(url, follow=True), operator.post(url, follow=True)):
        assert "There is no such token: it expired, or it was revoked." in text_of(answer)


def test_an_address_that_names_no_token_leads_to_the_list(staff: Staff) -> None:
    for id in ("x", "%00", "_5F", "a" * 2_000):
        answer = staff("Operators", name=f"rita {len(id)} {id[:1]}").get(f"{LIST}{id}/delete/")
        assert (answer.status_code, answer["Location"]) == (302, LIST)


@pytest.mark.parametrize("groups", [(), ("Viewers",), ("Recruiters",)])
def test_nobody_else_may(staff: Staff, ann: User, groups: tuple[str, ...]) -> None:
    kept, _ = issue(ann)
    somebody = staff(*groups)
    for url in (LIST, ISSUE, f"{LIST}{kept.pk}/delete/"):
        assert somebody.get(url).status_code == 403
        assert somebody.post(url, {"user": ann.pk}).status_code == 403
    assert AuthToken.objects.count() == 1
    assert "API token" not in text_of(somebody.get("/admin/"))


@pytest.mark.parametrize(
    ("codename", "allowed"), [("view_apitoken", LIST), ("add_apitoken", ISSUE)]
)
def test_each_permission_is_for_itself(
    staff: Staff, ann: User, codename: str, allowed: str
) -> None:
    kept, _ = issue(ann)
    somebody = staff()
    User.objects.get(username="rita").user_permissions.add(
        Permission.objects.get(codename=codename)
    )
    urls = [LIST, ISSUE, f"{LIST}{kept.pk}/delete/"]
    assert [url for url in urls if somebody.get(url).status_code == 200] == [allowed]


def test_nothing_is_done_without_a_csrf_token_or_by_get(staff: Staff, ann: User) -> None:
    kept, _ = issue(ann)
    operator = staff("Operators", enforce_csrf_checks=True)
    for url in (ISSUE, f"{LIST}{kept.pk}/delete/"):
        assert operator.post(url, {"user": ann.pk}).status_code == 403
        assert operator.get(f"{url}?user={ann.pk}&post=yes").status_code == 200
    assert [token.pk for token in AuthToken.objects.all()] == [kept.pk]


def test_there_is_no_other_page_for_tokens(staff: Staff, ann: User) -> None:
    kept, _ = issue(ann)
    root = staff(superuser=True)
    for url in (
        f"{LIST}{kept.pk}/change/",
        f"{LIST}{kept.pk}/history/",
        "/admin/knox/authtoken/",
        "/admin/knox/authtoken/add/",
        "/admin/recruitment/tokenscopes/",
    ):
        assert root.get(url, follow=True).status_code == 404
