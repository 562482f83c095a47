"""A new password ends tokens where that is asked for."""

import io
import logging
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from knox.models import AuthToken

from recruitment.tokens import issue
from tests.browser import Browser, text_of

OLD, NEW = "correct horse", "battery staple"


@pytest.fixture
def rita(user_in: Callable[..., User]) -> User:
    user = user_in("Recruiters", name="rita")
    user.is_staff = True
    user.set_password(OLD)
    user.save()
    for _ in range(2):
        issue(user)
    issue(user_in(name="ann"))
    return user


def tokens() -> list[str]:
    return sorted(AuthToken.objects.values_list("user__username", flat=True))


@pytest.mark.parametrize(
    ("tick", "left"), [({}, ["ann", "rita", "rita"]), ({"revoke_tokens": "on"}, ["ann"])]
)
def test_ones_own(rita: User, tick: dict[str, str], left: list[str]) -> None:
    browser = Browser()
    browser.force_login(rita)
    page = browser.get("/admin/password_change/")
    assert "Revoke my API tokens" in text_of(page)
    form = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW, **tick}
    assert browser.post("/admin/password_change/", form, follow=True).status_code == 200
    rita.refresh_from_db()
    assert (rita.check_password(NEW), tokens()) == (True, left)


def test_one_that_will_not_do_revokes_nothing(rita: User) -> None:
    browser = Browser()
    browser.force_login(rita)
    right = {"old_password": OLD, "new_password1": NEW, "new_password2": NEW, "revoke_tokens": "on"}
    for wrong in ({"old_password": "x"}, {"new_password2": "x"}, {"new_password1": ""}):
        page = browser.post("/admin/password_change/", {**right, **wrong})
        assert "Your password was not changed" in text_of(page)
        assert 'name="revoke_tokens"' in page.content.decode()
        assert OLD not in page.content.decode()
    rita.refresh_from_db()
    assert (rita.check_password(OLD), len(tokens())) == (True, 3)


@pytest.mark.parametrize(
    ("tick", "left"), [({}, ["ann", "rita", "rita"]), ({"revoke_tokens": "on"}, ["ann"])]
)
def test_anothers(
    rita: User,
    staff: Callable[..., Browser],
    tick: dict[str, str],
    left: list[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    root, address = staff(name="root", superuser=True), f"/admin/auth/user/{rita.pk}/password/"
    assert "Revoke the API tokens of this user" in text_of(root.get(address))
    caplog.set_level(logging.INFO, logger="recruitment.audit")
    form = {"password1": NEW, "password2": NEW, "usable_password": "true", **tick}
    assert root.post(address, {**form, "set-password": "1"}).status_code == 302
    rita.refresh_from_db()
    assert (rita.check_password(NEW), tokens()) == (True, left)
    said = [one.getMessage() for one in caplog.records if one.name == "recruitment.audit"]
    said = [line for line in said if line.startswith("password")]
    assert said == ['password_changed by="root" door="admin" user="rita"']


def test_none_any_more(rita: User, staff: Callable[..., Browser]) -> None:
    root, address = staff(name="root", superuser=True), f"/admin/auth/user/{rita.pk}/password/"
    form = {"usable_password": "false", "unset-password": "1", "revoke_tokens": "on"}
    assert root.post(address, form).status_code == 302
    rita.refresh_from_db()
    assert (rita.has_usable_password(), tokens()) == (False, ["ann"])


def test_an_operator_revokes_all_of_a_user_at_the_prompt(rita: User) -> None:
    for words in ("2 tokens of rita revoked\n", "0 tokens of rita revoked\n"):
        out = io.StringIO()
        call_command("revoke_tokens", "rita", stdout=out)
        assert (out.getvalue(), tokens()) == (words, ["ann"])
    out = io.StringIO()
    call_command("revoke_tokens", "ann", stdout=out)
    assert out.getvalue() == "1 token of ann revoked\n"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["nobody", "\x00", ""])
def test_nobody_has_none(name: str) -> None:
    with pytest.raises(CommandError, match="There is no user"):
        call_command("revoke_tokens", name)
