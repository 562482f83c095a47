from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.domain.exceptions import AnotherLog


class Command(BaseCommand):
    help = (
        "The messages that do not say where they belong. `retry` reads them anew, which helps "
        "after an upgrade, and exits with 1 where one is left; `discard` throws them away."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=("retry", "discard"))

    def handle(self, *, action: str, **options: Any) -> None:
        if settings.EVENT_DELIVERY != "bus":
            raise CommandError("Messages come only where EVENT_DELIVERY is bus.")
        room = wiring.waiting_room()
        if action == "discard":
            strays = room.strays()
            for body in strays:
                room.discard_stray(body)
            self.stdout.write(f"{len(strays)} discarded")
            return
        try:
            taken = wiring.intake(list(wiring.projections())).take_strays()
        except AnotherLog as error:
            raise CommandError(str(error)) from error
        left = room.count_strays()
        self.stdout.write(f"{taken} taken, {left} left")
        if left:
            raise CommandError("What is left still does not say where it belongs.")
