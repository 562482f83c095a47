import getpass
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from typing import Any

import uuid_utils.compat as uuid_utils
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from eventstore import wiring
from eventstore.application.commands import CommandContext
from eventstore.domain.exceptions import BatchConflict, DomainError, LogNotHere, ReadOnly


def fingerprint(text: str) -> str:
    if not re.fullmatch("[0-9a-f]{8}", text):
        raise ArgumentTypeError("is eight hexadecimal digits, as `check` and `new_key` show them")
    return text


class Command(BaseCommand):
    help = (
        "Give up what a wrapping key wraps, since the key is lost for good. The personal data of "
        "its streams is gone then, as after an erasure, and an event in each says so; everything "
        "else goes on. May be stopped and run again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("fingerprint", metavar="FINGERPRINT", type=fingerprint)
        parser.add_argument(
            "--reason", required=True, help="kept in each stream, readable: names belong elsewhere"
        )
        parser.add_argument(
            "--user", help="who declares it, by the permission eventstore.declare_key_lost"
        )
        parser.add_argument(
            "--yes", action="store_true", help="really: without it, it is only counted"
        )

    def handle(
        self, *, fingerprint: str, reason: str, user: str | None, yes: bool, **options: Any
    ) -> None:
        actor, allows = _who(user)
        context = CommandContext(
            actor=actor,
            door="command line",
            allows=allows,
            correlation_id=uuid_utils.uuid7(),
        )
        try:
            wiring.require_log()
            lost = wiring.lost_key(fingerprint)
            streams, secrets = wiring.wrapped_by(fingerprint)
            if not yes:
                raise CommandError(
                    f"The wrapping key {fingerprint} wraps the keys of {streams} streams and "
                    f"{secrets} secrets. Without a copy of it they cannot be read by anybody; "
                    "declared lost, never more. Say --yes if there is none."
                )
            with tqdm(total=streams, unit=" streams", disable=None, file=sys.stderr) as bar:
                done = 0
                for count in lost.declare(reason, context):
                    done += count
                    bar.update(count)
        except (BatchConflict, DomainError, LogNotHere, ReadOnly, wiring.NotLost) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"declared lost: the personal data of {done} streams, {secrets} secrets")


def _who(name: str | None) -> tuple[str, Callable[[str], bool]]:
    """Without a name the machine's own user, who may do everything."""
    if name is None:
        return getpass.getuser(), lambda _: True
    user = get_user_model()._default_manager.filter(username=name).first()
    if user is None or not user.is_active:
        raise CommandError(f"There is no active user {name!r}.")
    return user.get_username(), user.has_perm
