from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring
from eventstore.domain.exceptions import LogNotHere

FEED = (
    "Readers of the event feed who have read what is gone are told so, by 409 log_was_restored, "
    "and begin again with after=0; so do copies of candidates that are kept by changed_after."
)
RELAY = (
    "All of the log goes to the broker once more: start `manage.py publish`. Systems that "
    "`manage.py consume` feeds drop their rows and build them anew by themselves."
)
FED = (
    "What came from the broker since the backup is not in these rows, and does not come again by "
    "itself. Run `manage.py consume --bootstrap`, or `manage.py publish --from 0 --group {group}` "
    "where the log is."
)


class Command(BaseCommand):
    help = (
        "Say that the log was restored from a backup: it begins its next epoch, by which everybody "
        "who has read it is told that it may hold other events, and what is to be done is printed. "
        "Repeated, it does all of that again. With --moved or --another-log it says what else has "
        "brought the log to the place where it is."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        said = parser.add_mutually_exclusive_group()
        said.add_argument(
            "--moved",
            action="store_true",
            help="the log was brought here whole, and is not used any more where it was",
        )
        said.add_argument(
            "--another-log",
            action="store_true",
            help="this is a copy beside the first: a log of its own from now on",
        )

    def handle(self, *, moved: bool, another_log: bool, **options: Any) -> None:
        try:
            wiring.require_log()
        except LogNotHere as error:
            if another_log:
                raise CommandError(str(error)) from error
            wiring.log_was_moved()
            self.stdout.write(FED.format(group=settings.EVENT_BUS_GROUP))
            return
        if moved:
            log_id, epoch = wiring.log_was_moved()
            self.stdout.write(f"log {log_id}, epoch {epoch}: it belongs here now")
        elif another_log:
            log_id, _ = wiring.become_another_log()
            self.stdout.write(f"log {log_id}: nothing that was read of the first one counts here")
        else:
            for line in _told(wiring.after_restore()):
                self.stdout.write(line)


def _told(restored: wiring.Restored) -> Iterator[str]:
    log_id, epoch = restored.identity
    yield f"log {log_id}: epoch {epoch} begins"
    for seal in restored.seals:
        yield f"seal {seal} is not met by the log, and is gone"
    for name, count in restored.forgotten.items():
        yield f"{name}: {count} forgotten, since they told of events that are gone"
    for name in restored.stale:
        yield f"{name}: rows tell of events that are gone. Run `manage.py replay`."
    yield FEED
    if settings.EVENT_BUS_URL:
        yield RELAY
