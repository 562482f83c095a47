from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.application.ports import FeedUnavailable, NotReceived
from eventstore.domain.exceptions import (
    AnotherLog,
    LogInAnotherPlace,
    LogWasRestored,
    RowsOfNewerCode,
)
from eventstore.management.stopping import told_to_stop


class Command(BaseCommand):
    help = (
        "Build read models from the messages in EVENT_BUS_URL and go on doing so. SIGTERM and "
        "Ctrl-C finish the batch and exit with 0; a message of another log ends it with 1. A "
        "database or a broker that is away is waited for. Several may run: each partition is "
        "received by one of them at a time."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--once", action="store_true", help="stop when what the broker holds now is handled"
        )
        parser.add_argument(
            "--projection",
            metavar="NAME",
            action="append",
            dest="names",
            help="only this read model; may be repeated",
        )
        parser.add_argument(
            "--partition",
            metavar="N",
            type=int,
            action="append",
            dest="partitions",
            help="only this partition, counted from 0; may be repeated",
        )
        parser.add_argument(
            "--bootstrap",
            action="store_true",
            help="first read all of the log by the event feed in EVENT_FEED_URL",
        )

    def handle(
        self,
        *,
        once: bool,
        names: list[str] | None,
        partitions: list[int] | None,
        bootstrap: bool,
        **options: Any,
    ) -> None:
        known = wiring.projections()
        if unknown := sorted(set(names or ()) - known.keys()):
            raise CommandError(
                f"There is no projection {', '.join(unknown)}; there are {', '.join(known)}."
            )
        if settings.EVENT_DELIVERY != "bus":
            raise CommandError(
                f"EVENT_DELIVERY is {settings.EVENT_DELIVERY}: read models are built from "
                "messages where it is bus."
            )
        wanted = [name for name in known if not names or name in names]
        try:
            bus, feed = wiring.event_bus(), wiring.event_feed()
            if wrong := sorted(n for n in partitions or () if not 0 <= n < bus.partitions):
                raise CommandError(
                    f"There is no partition {wrong[0]}: they are 0 to {bus.partitions - 1}."
                )
            if bootstrap and feed is None:
                raise CommandError("--bootstrap reads the event feed: set EVENT_FEED_URL.")
            group = settings.EVENT_BUS_GROUP
            to_read = feed if bootstrap else None

            def consume(stopped: Callable[[], bool]) -> None:
                nonlocal to_read
                wiring.check_place()
                consumption = wiring.consumption(
                    wanted, connect=lambda: bus.consumer(group, partitions), stopped=stopped
                )
                if to_read is not None:
                    consumption.bootstrap(to_read)
                    to_read = None
                consumption.run(once=once)

            with told_to_stop() as stop:
                self.stderr.write(f"Consuming as {group}: {', '.join(wanted)}")
                if once:
                    consume(stop)
                elif not wiring.until_stopped(stop, self.stderr.write).run(consume):
                    self.stdout.write("stopped while waiting")
                    return
                end = "stopped" if stop() else "done"
        except (
            AnotherLog,
            FeedUnavailable,
            ImproperlyConfigured,
            LogInAnotherPlace,
            LogWasRestored,
            NotReceived,
            RowsOfNewerCode,
        ) as error:
            raise CommandError(str(error)) from error
        kept = wiring.checkpoints().all()
        told = ", ".join(f"{name} at {kept[name].received}" for name in wanted)
        self.stdout.write(f"{end}: {told}")
