import time
from typing import Any

from django.core.management.base import BaseCommand

from eventstore import wiring


class Command(BaseCommand):
    help = (
        "Rebuild every read model from the log. The old rows are shown until the new ones are in."
    )

    def handle(self, **options: Any) -> None:
        started = time.monotonic()
        events = rows = 0
        for name, projection in wiring.projections().items():
            self.stderr.write(f"Rebuilding {name} …")
            replayed = projection.replay()
            events = max(events, replayed.events)
            rows += replayed.rows
        seconds = time.monotonic() - started
        self.stdout.write(
            f"replayed {events} events into {rows} rows in {seconds:.1f} s "
            f"({events / seconds:.0f} events/s)"
        )
