import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
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
        "keep P:DIGEST somewhere else and give it to --expect. Whatever is not right has a line "
        "of its own. Exits with 1 where the log was tampered with, else with 3 where newer code "
        "has written an event, and with 4 where this code cannot decode one that it should."
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
        first: dict[wiring.FindingKind, wiring.LogFinding] = {}

        def report(finding: wiring.LogFinding) -> None:
            first.setdefault(finding.kind, finding)
            self.stdout.write(f"{finding.kind}: {finding}")

        with tqdm(unit=" events", disable=None, file=sys.stderr) as progress:
            verification = wiring.verification(
                progress=lambda count: progress.update(count), report=report
            )
            try:
                wiring.require_log()
                if stream:
                    verified = verification.stream(stream)
                else:
                    until = wiring.settled_position()
                    verified = verification.log(until=until, full=full, expected=expect)
            except wiring.WrappingKeyMissing as error:
                raise CommandError(
                    f"Personal data cannot be verified: {error}. Put the key that is missing "
                    "back into PERSONAL_DATA_KEYS; if it is lost for good, see "
                    "`manage.py declare_key_lost`."
                ) from error
            except (ImproperlyConfigured, LogNotHere, UnsafeLogRead) as error:
                raise CommandError(str(error)) from error
        count, unreadable = wiring.unreadable_streams(stream)
        for what in unreadable:
            self.stdout.write(f"not readable: {what}")
        if count > len(unreadable):
            self.stdout.write(f"not readable: {count - len(unreadable)} streams more")
        if verified.found:
            counts = ", ".join(f"{verified.found[kind]} {kind}" for kind in wiring.FindingKind)
            self.stdout.write(f"checked {verified.events} events: {counts}")
            raise _complaint(verified.found, first)
        self.stdout.write(
            f"verified {verified.events} events, {verified.position}:{verified.digest}"
        )


def _complaint(
    found: Mapping[wiring.FindingKind, int],
    first: Mapping[wiring.FindingKind, wiring.LogFinding],
) -> CommandError:
    kind = wiring.FindingKind
    if found[kind.TAMPERED]:
        return CommandError(f"The log was tampered with: {first[kind.TAMPERED]}", returncode=1)
    if found[kind.UNDECODABLE]:
        return CommandError(
            "Nothing was tampered with, but this code cannot decode what it should: "
            f"{first[kind.UNDECODABLE]}. Mend it and verify again.",
            returncode=4,
        )
    return CommandError(
        "Nothing was tampered with, but newer code than this has written events: "
        f"{first[kind.NEWER]}. Verify with that code.",
        returncode=3,
    )
