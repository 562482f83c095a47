from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from knox.models import AuthToken


class Command(BaseCommand):
    help = "Issue an API token that may do what its user may. Its last line is the token alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the name of an existing, active user")

    def handle(self, *, user: str, **options: Any) -> None:
        found = get_user_model()._default_manager.filter(username=user).first()
        if found is None:
            raise CommandError(
                f"There is no user {user!r}: make one with createsuperuser or in the admin."
            )
        if not found.is_active:
            raise CommandError(f"The user {user!r} is not active: no token of theirs would work.")
        _, token = AuthToken.objects.create(found)
        self.stderr.write("Send it as 'Authorization: Bearer TOKEN'. It is shown only this once.")
        self.stdout.write(token)
