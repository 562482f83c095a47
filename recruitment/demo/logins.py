"""Who can log in to the demo."""

import secrets
from collections.abc import Mapping

from django.contrib.auth.models import Group, User
from django.db import transaction
from knox.models import AuthToken

GROUPS: Mapping[str, str] = {
    "recruiter": "Recruiters",
    "viewer": "Viewers",
    "operator": "Operators",
}
"""User name -> group."""


@transaction.atomic
def draw_passwords() -> dict[str, str]:
    """A fresh password for each user, who is made where missing. Old passwords stop working."""
    passwords = {name: secrets.token_urlsafe(12) for name in GROUPS}
    for name, password in passwords.items():
        user, _ = User.objects.get_or_create(username=name)
        user.is_active = user.is_staff = True
        user.set_password(password)
        user.save()
        user.groups.add(Group.objects.get(name=GROUPS[name]))
    return passwords


def issue_token(username: str) -> str:
    _, token = AuthToken.objects.create(User.objects.get(username=username))
    return str(token)
