"""Every change of what somebody may do leaves a line that says who did it, whatever the door."""

import io
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from getpass import getuser
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import transaction
from knox.models import AuthToken
from rest_framework.test import APIClient

from recruitment.audit import audit
from recruitment.models import Scope
from recruitment.tokens import issue
from tests.browser import Browser

pytestmark = pytest.mark.django_db(transaction=True)
ME = f'by="{getuser()}" door="command line"'
ROOT = 'by="root" door="admin"'


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The audit's lines since the last time."""
    caplog.set_level(logging.INFO, logger="recruitment.audit")

    def lines() -> list[str]:
        found = [one.getMessage() for one in caplog.records if one.name == "recruitment.audit"]
        caplog.clear()
        return found

    return lines


Said = Callable[[], list[str]]


@pytest.fixture
def ann(user_in: Callable[..., User]) -> User:
    return user_in("Viewers", name="ann")


def decide() -> Permission:
    return Permission.objects.get(codename="decide", content_type__app_label="candidates")


def test_a_user_who_is_made_changed_and_deleted(said: Said) -> None:
    said()
    user = User.objects.create_user("ann", email="ann@example.org", password="correct horse")
    user.is_staff = user.is_superuser = True
    user.email = "ann@example.net"
    user.save()
    user.is_active = False
    user.save(update_fields=["is_active"])
    user.username = "anna"
    user.save()
    user.last_name = "Lee"
    user.save()
    user.delete()
    assert said() == [
        f'user_created {ME} user="ann" is_active="yes" is_staff="no" is_superuser="no"',
        f'user_changed {ME} user="ann" is_staff="yes" is_superuser="yes"',
        f'user_changed {ME} user="ann" is_active="no"',
        f'user_renamed {ME} user="anna" before="ann"',
        f'user_deleted {ME} user="anna"',
    ]


def test_groups_of_a_user_from_either_end(ann: User, said: Said) -> None:
    operators, viewers = (Group.objects.get(name=name) for name in ("Operators", "Viewers"))
    said()
    ann.groups.add(viewers, operators)
    ann.groups.set([viewers])
    operators.user_set.add(ann)
    operators.user_set.clear()
    ann.groups.clear()
    ann.groups.clear()
    assert said() == [
        f'access_granted {ME} user="ann" group="Operators"',
        f'access_withdrawn {ME} user="ann" group="Operators"',
        f'access_granted {ME} group="Operators" user="ann"',
        f'access_withdrawn {ME} group="Operators" user="ann"',
        f'access_withdrawn {ME} user="ann" group="Viewers"',
    ]


def test_permissions_of_users_and_groups(ann: User, said: Said) -> None:
    viewers = Group.objects.get(name="Viewers")
    said()
    ann.user_permissions.add(decide())
    ann.user_permissions.remove(decide())
    viewers.permissions.add(decide())
    decide().group_set.remove(viewers)
    viewers.permissions.clear()
    viewers.delete()
    lines = said()
    assert lines[:4] == [
        f'access_granted {ME} user="ann" permission="candidates.decide"',
        f'access_withdrawn {ME} user="ann" permission="candidates.decide"',
        f'access_granted {ME} group="Viewers" permission="candidates.decide"',
        f'access_withdrawn {ME} permission="candidates.decide" group="Viewers"',
    ]
    assert lines[4].startswith(f'access_withdrawn {ME} group="Viewers" permission="candidates.')
    assert lines[5:] == [f'group_deleted {ME} group="Viewers"']


def test_what_the_admin_changes_names_who_is_logged_in(
    staff: Callable[..., Browser], ann: User, said: Said
) -> None:
    root = staff(name="root", superuser=True)
    operators, viewers = (Group.objects.get(name=name) for name in ("Operators", "Viewers"))
    said()
    form: dict[str, Any] = {
        "username": "ann",
        "is_staff": "on",
        "is_superuser": "on",
        "groups": [viewers.pk, operators.pk],
        "user_permissions": [decide().pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    answer = root.post(f"/admin/auth/user/{ann.pk}/change/", form)
    assert answer.status_code == 302, answer.context["errors"]
    assert said() == [
        f'user_changed {ROOT} user="ann" is_active="no" is_staff="yes" is_superuser="yes"',
        f'access_granted {ROOT} user="ann" group="Operators"',
        f'access_granted {ROOT} user="ann" permission="candidates.decide"',
    ]
    kept = [one.pk for one in viewers.permissions.all()]
    permissions = {"name": "Viewers", "permissions": [*kept, decide().pk]}
    assert root.post(f"/admin/auth/group/{viewers.pk}/change/", permissions).status_code == 302
    assert said() == [f'access_granted {ROOT} group="Viewers" permission="candidates.decide"']
    assert root.post(f"/admin/auth/user/{ann.pk}/delete/", {"post": "yes"}).status_code == 302
    assert said()[-1] == f'user_deleted {ROOT} user="ann"'


def test_tokens_by_every_door(staff: Callable[..., Browser], ann: User, said: Said) -> None:
    root = staff(name="root", superuser=True)
    said()
    expires = datetime(2127, 1, 31, tzinfo=UTC)
    row, token = issue(ann, scopes=[Scope.READ, Scope.FEED], expires=expires)
    call_command("issue_token", "ann", stdout=io.StringIO(), stderr=io.StringIO())
    lines = said()
    assert lines[0] == (
        f'token_issued {ME} user="ann" token="{token[:8]}" scopes="feed,read" '
        'expires="2127-01-31T00:00:00+00:00"'
    )
    assert lines[1].startswith(f'token_issued {ME} user="ann" token="')
    assert lines[1].endswith('" scopes="all" expires="never"')
    assert len(lines) == 2
    root.post("/admin/recruitment/apitoken/add/", {"user": ann.pk})
    (line,) = said()
    assert line.startswith(f'token_issued {ROOT} user="ann" token="')
    root.post(f"/admin/recruitment/apitoken/{row.pk}/delete/")
    assert said() == [f'token_deleted {ROOT} user="ann" token="{token[:8]}"']
    foreign, text = AuthToken.objects.create(ann)
    foreign.delete()
    assert said() == [
        f'token_issued {ME} user="ann" token="{text[:8]}"',
        f'token_deleted {ME} user="ann" token="{text[:8]}"',
    ]
    assert token not in "".join(lines)


def test_a_token_that_is_deleted_since_it_expired_names_its_user(ann: User, said: Said) -> None:
    row, token = issue(ann, expires=datetime(2127, 1, 31, tzinfo=UTC))
    AuthToken.objects.filter(pk=row.pk).update(expiry=datetime(2020, 1, 1, tzinfo=UTC))
    said()
    client = APIClient(headers={"Authorization": f"Bearer {token}"})
    assert client.get("/api/v1/candidates/").status_code == 401
    assert said() == [f'token_deleted by="-" door="api" user="ann" token="{token[:8]}"']


def test_what_was_rolled_back_is_not_said(ann: User, said: Said) -> None:
    said()
    with transaction.atomic():
        ann.is_superuser = True
        ann.save()
        issue(ann)
        transaction.set_rollback(True)
    assert said() == []


def test_no_value_begins_another_line_or_key(said: Said) -> None:
    audit("user_created", user='a?" b\n2026 user_created by="root"')
    assert said() == [
        f'user_created {ME} user="a\\u003f\\" b\\n2026 user_created by=\\"root\\""',
    ]


def test_a_first_migrate_says_what_groups_got(said: Said) -> None:
    Group.objects.get(name="Viewers").delete()
    said()
    call_command("migrate", verbosity=0)
    assert any(
        line.startswith(f'access_granted {ME} group="Viewers" permission="') for line in said()
    )
