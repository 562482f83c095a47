from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.application.naming import checked_name
from eventstore.application.ports import NotPublished
from eventstore.application.relay import CHECKPOINT
from eventstore.domain.exceptions import (
    LogInAnotherPlace,
    LogNotHere,
    LogWasRestored,
    UndecodableEvent,
    UnsafeLogRead,
)
from eventstore.management.stopping import told_to_stop


class Command(BaseCommand):
    help = (
        "Relay the log to the broker in EVENT_BUS_URL and go on doing so. SIGTERM and Ctrl-C "
        "finish the batch and exit with 0. Before an event that this code cannot read it waits; "
        "with --once that ends it with 1. A database or a broker that is away is waited for. "
        "Several may run: where they overlap, events are published twice."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop where the log is settled now")
        parser.add_argument(
            "--from",
            metavar="POSITION",
            dest="after",
            type=int,
            help="send what is behind this position to one group alone, and leave the relay be",
        )
        parser.add_argument("--group", metavar="NAME", help="the group that --from sends to")

    def handle(self, *, once: bool, after: int | None, group: str | None, **options: Any) -> None:
        if (after is None) != (group is None):
            raise CommandError("--from and --group go together: who is sent what from where on?")
        if after is not None and after < 0:
            raise CommandError(f"--from is a position, 0 for the whole log, and not {after}.")
        if group is not None:
            try:
                checked_name(group)
            except ValueError as error:
                raise CommandError(f"--group: {error}") from error
        try:
            publisher = wiring.event_bus().publisher(group)

            def relay(stopped: Callable[[], bool]) -> None:
                wiring.require_log()
                wiring.check_place()
                wiring.relay(publisher, stopped=stopped).run(once=once)

            with closing(publisher), told_to_stop() as stop:
                if after is not None:
                    self.stderr.write(f"Sending the log to {group}")
                    wiring.require_log()
                    wiring.check_place()
                    sent = wiring.relay(publisher, stopped=stop).send(after=after)
                    position = _last(sent, after)
                else:
                    self.stderr.write("Relaying the log")
                    if once:
                        relay(stop)
                    elif not wiring.until_stopped(stop, self.stderr.write).run(relay):
                        self.stdout.write("stopped while waiting")
                        return
                    position = wiring.checkpoints().all()[CHECKPOINT].position
                end = "stopped" if stop() else "done"
        except (
            ImproperlyConfigured,
            LogInAnotherPlace,
            LogNotHere,
            LogWasRestored,
            NotPublished,
            UndecodableEvent,
            UnsafeLogRead,
        ) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{end}: {group or CHECKPOINT} at {position}")


def _last(positions: Iterable[int], after: int) -> int:
    last = after
    try:
        for position in positions:
            last = position
    except NotPublished as error:
        told = f"{error}. The group has all up to {last}: go on with --from {last}."
        raise CommandError(told) from error
    return last
