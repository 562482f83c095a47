from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from recruitment.tokens import revoke_all


class Command(BaseCommand):
    help = "Revoke every API token of a user, whose password and sessions stay as they are."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the name of an existing user")

    def handle(self, *, user: str, **options: Any) -> None:
        users = get_user_model()._default_manager
        # PostgreSQL takes no other text.
        found = users.filter(username=user).first() if user.isprintable() else None
        if found is None:
            raise CommandError(f"There is no user {user!r}.")
        count = revoke_all(found)
        self.stdout.write(f"{count} token{'' if count == 1 else 's'} of {user} revoked")
