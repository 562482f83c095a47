import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from tqdm import tqdm

from eventstore import wiring
from eventstore.domain.exceptions import LogNotHere, UnsafeLogRead


def expectation(text: str) -> tuple[int, str]:
    """`POSITION:DIGEST` as an earlier run printed it."""
    if not (match := re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", text)):
        raise ArgumentTypeError("is POSITION:DIGEST, as an earlier run printed it")
    return int(match[1]), match[2]


class Command(BaseCommand):
    help = (
        "Show whether the log was tampered with. The last line is `verified E events, P:DIGEST`: "
        "keep P:DIGEST somewhere else and give it to --expect. Exits with 1 at the first event "
        "that is not right."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--stream", metavar="ID", type=UUID, help="only this stream's chain")
        parser.add_argument(
            "--full", action="store_true", help="from the first event, not from the last seal"
        )
        parser.add_argument("--expect", metavar="P:DIGEST", type=expectation)

    def handle(
        self, *, stream: UUID | None, full: bool, expect: tuple[int, str] | None, **options: Any
    ) -> None:
        if stream and (full or expect):
            raise CommandError("--stream goes with neither --full nor --expect.")
        with tqdm(unit=" events", disable=None, file=sys.stderr) as progress:
            verification = wiring.verification(lambda count: progress.update(count))
            try:
                wiring.require_log()
                if stream:
                    verified = verification.stream(stream)
                else:
                    until = wiring.settled_position()
                    verified = verification.log(until=until, full=full, expected=expect)
            except wiring.TamperedLog as error:
                raise CommandError(f"The log was tampered with: {error}") from error
            except wiring.WrappingKeyMissing as error:
                raise CommandError(
                    f"Personal data cannot be verified: {error}. Add the key that is missing to "
                    "PERSONAL_DATA_KEYS."
                ) from error
            except (ImproperlyConfigured, LogNotHere, UnsafeLogRead) as error:
                raise CommandError(str(error)) from error
            except Error as error:
                raise CommandError(f"The log cannot be read: {error}".strip()) from error
        self.stdout.write(
            f"verified {verified.events} events, {verified.position}:{verified.digest}"
        )
