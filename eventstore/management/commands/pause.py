from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.management.held_work import add_work, chosen_work


class Command(BaseCommand):
    help = (
        "Hold a read model, the relay to the broker, or what this system's group receives, in "
        "every process, until `manage.py resume` lets it go on. Commands and reads go on; nothing "
        "is lost."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_work(parser)
        parser.add_argument("--reason", required=True, help="why, for who looks at the status")

    def handle(
        self,
        *,
        projection: str | None,
        relay: bool,
        group: str | None,
        reason: str,
        **options: Any,
    ) -> None:
        if not reason.strip():
            raise CommandError("--reason says why, in words.")
        name = chosen_work(projection, group)
        wiring.pauses().pause(name, reason.strip())
        wiring.holds.look_again()
        self.stdout.write(f"{name} is paused")
