from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.management.held_work import add_work, chosen_work


class Command(BaseCommand):
    help = (
        "Let go on what `manage.py pause` holds. Rows that web processes feed are brought up to "
        "the log here and now; followers, relays and consumers go on by themselves."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_work(parser)

    def handle(
        self, *, projection: str | None, relay: bool, group: str | None, **options: Any
    ) -> None:
        name = chosen_work(projection, group)
        if not wiring.pauses().resume(name):
            raise CommandError(f"{name} is not paused.")
        wiring.holds.look_again()
        self.stdout.write(f"{name} goes on")
        if projection and settings.EVENT_DELIVERY in ("on_commit", "in_transaction"):
            repaired = wiring.repair(projection)
            self.stdout.write(f"{repaired.streams} streams had something to catch up on")
