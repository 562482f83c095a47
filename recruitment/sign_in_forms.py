"""The forms of the admin that take passwords."""

import logging
from typing import Any

from django import forms
from django.contrib.admin.forms import AdminAuthenticationForm, AdminPasswordChangeForm
from django.contrib.auth.forms import AdminPasswordChangeForm as OthersPasswordForm
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from recruitment.audit import audit, fields
from recruitment.client_address import client_address
from recruitment.sign_in_limits import Attempt, TooManyFailures, attempt, succeeded
from recruitment.tokens import revoke_all

logger = logging.getLogger("recruitment.sign_in")


class _Guarded:
    """A form whose password is looked at only while not too many were wrong."""

    wait: int | None = None
    """Seconds, where it was refused."""

    def _allowed(self, request: HttpRequest, name: str) -> Attempt:
        """Raises ValidationError, and says so in the log."""
        try:
            return attempt(name, client_address(request), timezone.now())
        except TooManyFailures as error:
            self.wait = error.wait
            _say(logging.WARNING, "sign_in_refused", request, name, wait=error.wait)
            raise ValidationError(str(error)) from None


class SignInForm(_Guarded, AdminAuthenticationForm):
    """Django's, whose failures are limited, and which says in the log what came of it."""

    request: HttpRequest

    @sensitive_variables()
    def clean(self) -> dict[str, Any]:
        name = self.cleaned_data.get("username")
        if name is None or not self.cleaned_data.get("password"):
            return self.cleaned_data
        tried = self._allowed(self.request, name)
        try:
            cleaned = super().clean()
        except ValidationError:
            _say(logging.WARNING, "sign_in_failed", self.request, name)
            raise
        user = self.get_user()
        succeeded(tried, user, timezone.now())
        _say(logging.INFO, "signed_in", self.request, name)
        return cleaned


class PasswordChangeForm(_Guarded, AdminPasswordChangeForm):
    """Of one's own. A wrong old password counts as a failed sign-in."""

    revoke_tokens = forms.BooleanField(
        required=False,
        label="Revoke my API tokens",
        help_text="Whatever uses them is refused from now on.",
    )
    field_order = ("old_password", "new_password1", "new_password2", "revoke_tokens")

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        self.request = request
        super().__init__(*args, **kwargs)

    @sensitive_variables()
    def clean_old_password(self) -> str:
        name = self.user.get_username()
        tried = self._allowed(self.request, name)
        try:
            old = super().clean_old_password()
        except ValidationError:
            _say(logging.WARNING, "old_password_wrong", self.request, name)
            raise
        succeeded(tried, self.user, timezone.now())
        return str(old)

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        _changed(user, revoke=self.cleaned_data["revoke_tokens"])
        return user


class SetPasswordForm(OthersPasswordForm):  # type: ignore[type-arg]
    """Of another user, or where one's own needs no old one."""

    revoke_tokens = forms.BooleanField(
        required=False,
        label="Revoke the API tokens of this user",
        help_text="Whatever uses them is refused from now on.",
    )

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit)
        _changed(user, revoke=self.cleaned_data["revoke_tokens"])
        return user


def _changed(user: User, *, revoke: bool) -> None:
    audit("password_changed", user=user.get_username())
    if revoke:
        revoke_all(user)


def _say(level: int, what: str, request: HttpRequest, name: str, **facts: object) -> None:
    """A name that is no user's is left out: people type passwords into the wrong field."""
    known = name if User.objects.filter(username=name).exists() else "-"
    line = fields(user=known, address=client_address(request), **facts)
    logger.log(level, "%s %s", what, line)
