"""What `pause` and `resume` can be told to hold."""

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import CommandError

from eventstore import wiring
from eventstore.application.pausing import of_group
from eventstore.application.relay import CHECKPOINT


def add_work(parser: ArgumentParser) -> None:
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument("--projection", metavar="NAME", help="this read model")
    work.add_argument("--relay", action="store_true", help="what `manage.py publish` does")
    work.add_argument("--group", metavar="NAME", help="all that `manage.py consume` does")


def chosen_work(projection: str | None, group: str | None) -> str:
    """The name that processes know it by. Raises CommandError for what there is not."""
    if projection is not None:
        known = wiring.projections()
        if projection not in known:
            raise CommandError(
                f"There is no projection {projection}; there are {', '.join(known)}."
            )
        return projection
    if group is None:
        return CHECKPOINT
    if settings.EVENT_DELIVERY != "bus" or group != settings.EVENT_BUS_GROUP:
        here = f"is {settings.EVENT_BUS_GROUP}" if settings.EVENT_DELIVERY == "bus" else "is none"
        raise CommandError(f"The group that messages feed this system as {here}, and not {group}.")
    return of_group(group)
