from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from recruitment.models import Scope
from recruitment.tokens import UnusableExpiry, issue


def instant(text: str) -> datetime:
    try:
        read = datetime.fromisoformat(text)
        if read.tzinfo is not None:
            return read.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ArgumentTypeError(f"{text!r} is no time with an offset, such as 2027-01-31T00:00Z.")


class Command(BaseCommand):
    help = "Issue an API token that may do what its user may. Its last line is the token alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", metavar="USER", help="the name of an existing, active user")
        parser.add_argument(
            "--scope",
            action="append",
            default=[],
            choices=Scope.values,
            help="good for this alone; may be given several times (without it: for everything)",
        )
        parser.add_argument(
            "--expires",
            type=instant,
            metavar="TIME",
            help="good until then, such as 2027-01-31T00:00Z (without it: until it is revoked)",
        )

    def handle(
        self, *, user: str, scope: Sequence[str], expires: datetime | None, **options: Any
    ) -> None:
        users = get_user_model()._default_manager
        # PostgreSQL takes no other text.
        found = users.filter(username=user).first() if user.isprintable() else None
        if found is None:
            raise CommandError(
                f"There is no user {user!r}: make one with createsuperuser or in the admin."
            )
        if not found.is_active:
            raise CommandError(f"The user {user!r} is not active: no token of theirs would work.")
        try:
            _, token = issue(found, scopes=[Scope(name) for name in scope], expires=expires)
        except UnusableExpiry as error:
            raise CommandError(str(error)) from None
        self.stderr.write("Send it as 'Authorization: Bearer TOKEN'. It is shown only this once.")
        self.stdout.write(token)
