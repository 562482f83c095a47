from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.application.parking import ParkedStream
from eventstore.domain.exceptions import AnotherLog, UndecodableEvent


class Command(BaseCommand):
    help = (
        "The streams that a projection failed on. `retry` brings their rows up to the log and "
        "exits with 1 where one fails again; `skip` leaves out what the failing event does to the "
        "rows, until a replay, and goes on behind it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="show them, those parked first come first")
        listing.add_argument("projection", nargs="?")
        retrying = actions.add_parser("retry", help="all of them, of one projection, or one")
        retrying.add_argument("projection", nargs="?")
        retrying.add_argument("stream", metavar="stream-id", nargs="?", type=UUID)
        skipping = actions.add_parser("skip", help="pass over the event that fails")
        skipping.add_argument("projection")
        skipping.add_argument("stream", metavar="stream-id", type=UUID)

    def handle(
        self, *, action: str, projection: str | None, stream: UUID | None = None, **options: Any
    ) -> None:
        if projection is not None and projection not in wiring.deliveries():
            names = ", ".join(wiring.deliveries())
            raise CommandError(f"There is no projection {projection}; there are {names}.")
        chosen = self._chosen(projection, stream)
        if action == "list":
            for one in chosen:
                self.stdout.write(_line(one))
            self.stdout.write(f"{len(chosen)} parked")
            return
        complaints = [complaint for one in chosen if (complaint := self._act(action, one))]
        left = len(complaints)
        self.stdout.write(f"{len(chosen) - left} released, {left} still parked")
        if complaints:
            raise CommandError("\n".join(complaints))

    def _chosen(self, projection: str | None, stream: UUID | None) -> list[ParkedStream]:
        parked = wiring.parked_streams()
        if projection is None or stream is None:
            return parked.listed(projection)
        one = parked.find(projection, stream)
        if one is None:
            raise CommandError(str(wiring.NotParked(projection=projection, stream_id=stream)))
        return [one]

    def _act(self, action: str, one: ParkedStream) -> str | None:
        """Why it is still parked, which keeps no other from its turn."""
        delivery = wiring.deliveries().get(one.projection)
        if delivery is None:
            return f"There is no projection {one.projection} any more, for {one.stream_id}."
        try:
            if action == "skip":
                failed = delivery.skip(one.stream_id, version=one.version)
            else:
                failed = delivery.retry(one.stream_id)
        except (AnotherLog, UndecodableEvent, wiring.NotParked, wiring.NothingToGoOnFrom) as error:
            return str(error)
        return _line(failed) if failed else None


def _line(one: ParkedStream) -> str:
    then = f"again at {one.retry_at:%Y-%m-%d %H:%M:%S %Z}" if one.retry_at else "not again"
    return (
        f"{one.projection} {one.stream_id} version {one.version} ({one.event_type}): {one.error}; "
        f"attempt {one.attempts}, {then}"
    )
