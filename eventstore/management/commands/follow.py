from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.domain.exceptions import (
    LogNotHere,
    LogWasRestored,
    ReadableElsewhere,
    RowsOfNewerCode,
    UnsafeLogRead,
)
from eventstore.management.stopping import told_to_stop


class Command(BaseCommand):
    help = (
        "Bring read models up to the log and keep them there. SIGTERM and Ctrl-C finish the batch "
        "and exit with 0. Before an event that newer code stored it waits for its own upgrade; "
        "with --once that ends it with 1. A database that is away is waited for. Several may run."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="stop where the log is settled now")
        parser.add_argument(
            "--projection",
            metavar="NAME",
            action="append",
            dest="names",
            help="only this read model; may be repeated",
        )

    def handle(self, *, once: bool, names: list[str] | None, **options: Any) -> None:
        known = wiring.projections()
        if unknown := sorted(set(names or ()) - known.keys()):
            raise CommandError(
                f"There is no projection {', '.join(unknown)}; there are {', '.join(known)}."
            )
        wanted = [name for name in known if not names or name in names]

        def follow(stopped: Callable[[], bool]) -> None:
            wiring.require_log()
            wiring.follower(wanted, stopped=stopped).run(once=once)

        try:
            with told_to_stop() as stop:
                self.stderr.write(f"Following the log: {', '.join(wanted)}")
                if once:
                    follow(stop)
                elif not wiring.until_stopped(stop, self.stderr.write).run(follow):
                    self.stdout.write("stopped while waiting")
                    return
                end = "stopped" if stop() else "done"
        except (
            ImproperlyConfigured,
            LogNotHere,
            LogWasRestored,
            ReadableElsewhere,
            RowsOfNewerCode,
            UnsafeLogRead,
        ) as error:
            raise CommandError(str(error)) from error
        positions = ", ".join(
            f"{name} at {checkpoint.position}"
            for name, checkpoint in wiring.checkpoints().all().items()
            if name in wanted
        )
        self.stdout.write(f"{end}: {positions}")
