import re
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from tqdm import tqdm

from eventstore import wiring
from eventstore.domain.exceptions import (
    AggregateNotFound,
    LogNotHere,
    LogWasRestored,
    ReplayRunning,
    UndecodableEvent,
    UnsafeLogRead,
)

SECONDS_PER_LINE = 5
MOST_FINDINGS = 1_000
MOST_WORKERS = 64
"""Each has some connections of its own, of which PostgreSQL has a hundred unless told."""
LARGEST_BATCH = 100_000


def up_to(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (re.fullmatch("[0-9]{1,9}", text) and 1 <= int(text) <= most):
            raise ArgumentTypeError(f"a whole number from 1 to {most} is needed")
        return int(text)

    return read


class Command(BaseCommand):
    help = (
        "Rebuild read models from the log, all in one pass. The old rows are served until the new "
        "ones take their place, and commands go on meanwhile. Exits with 1 where a stream was "
        "parked or, with --check, where anything is not as the log has it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--projection",
            metavar="NAME",
            action="append",
            choices=list(wiring.projections()),
            help="only this one; may be given several times",
        )
        parser.add_argument(
            "--stream",
            metavar="ID",
            type=UUID,
            action="append",
            help="only this stream's rows, in place; may be given several times",
        )
        parser.add_argument(
            "--check", action="store_true", help="write nothing, and report what differs"
        )
        parser.add_argument(
            "--workers",
            metavar="N",
            type=up_to(MOST_WORKERS),
            default=1,
            help="processes, on PostgreSQL (default 1)",
        )
        parser.add_argument(
            "--batch-size",
            metavar="N",
            type=up_to(LARGEST_BATCH),
            default=wiring.BATCH_SIZE,
            help="events fetched at once, on SQLite also rows written in one transaction "
            "(default %(default)s)",
        )

    def handle(
        self,
        *,
        projection: list[str] | None,
        stream: list[UUID] | None,
        check: bool,
        workers: int,
        batch_size: int,
        **options: Any,
    ) -> None:
        names = list(dict.fromkeys(projection or wiring.projections()))
        if workers > 1 and connection.vendor != "postgresql":
            raise CommandError("--workers is for PostgreSQL: SQLite has one writer at a time.")
        if workers > 1 and (stream or check):
            raise CommandError("--workers goes with neither --stream nor --check.")
        try:
            wiring.require_log()
            if check:
                self._check(names, stream or [])
            elif stream:
                self._streams(names, stream)
            else:
                self._replay(names, workers, batch_size)
        except (
            AggregateNotFound,
            LogWasRestored,
            LogNotHere,
            ReplayRunning,
            UndecodableEvent,
            UnsafeLogRead,
            wiring.Blocked,
            wiring.UnreadableRows,
            wiring.WorkerDied,
        ) as error:
            raise CommandError(str(error)) from error

    def _replay(self, names: list[str], workers: int, batch_size: int) -> None:
        started = time.monotonic()
        replay = wiring.replay(names, workers=workers, batch_size=batch_size)
        with self._progress(wiring.events_of(names)) as progress:
            replayed = replay.run(progress)
        count, unreadable = wiring.unreadable_streams()
        for what in unreadable:
            self.stderr.write(f"not readable: {what}")
        if count > len(unreadable):
            self.stderr.write(f"not readable: {count - len(unreadable)} streams more")
        self._done([replayed], time.monotonic() - started)

    def _streams(self, names: list[str], stream_ids: list[UUID]) -> None:
        started = time.monotonic()
        replayed = [wiring.replay_stream(names, id) for id in dict.fromkeys(stream_ids)]
        self._done(replayed, time.monotonic() - started)

    def _check(self, names: list[str], stream_ids: list[UUID]) -> None:
        different = behind = 0
        with self._progress(wiring.events_of(names) * len(names)) as progress:
            for found in wiring.comparisons(names, stream_ids=stream_ids, progress=progress):
                if isinstance(found, wiring.Different):
                    different += 1
                else:
                    behind += 1
                if different + behind <= MOST_FINDINGS:
                    self.stdout.write(str(found))
        if different + behind > MOST_FINDINGS:
            self.stdout.write(f"and {different + behind - MOST_FINDINGS} more")
        self.stdout.write(f"{different} different, {behind} behind")
        if different or behind:
            raise CommandError("The read models are not as the log has it.")

    def _done(self, parts: Sequence[wiring.Replayed], seconds: float) -> None:
        events, rows = sum(part.events for part in parts), sum(part.rows for part in parts)
        rate = events / seconds if seconds else 0
        self.stdout.write(
            f"replayed {events} events into {rows} rows in {seconds:.1f} s ({rate:.0f} events/s)"
        )
        if parked := sum(part.parked for part in parts):
            raise CommandError(f"{parked} streams were parked: `manage.py parked list` says why.")

    @contextmanager
    def _progress(self, total: int) -> Iterator[Callable[[int], object]]:
        """A bar with rate and time left on a terminal, else a line every few seconds."""
        with tqdm(total=total, unit=" events", disable=None, file=sys.stderr) as bar:
            if not bar.disable:
                yield bar.update
                return
            done, shown = 0, time.monotonic()
            started = shown

            def report(count: int) -> None:
                nonlocal done, shown
                done += count
                if (now := time.monotonic()) - shown >= SECONDS_PER_LINE:
                    shown = now
                    rate = done / (now - started)
                    left = max(total - done, 0) / rate if rate else 0
                    self.stderr.write(
                        f"{done} of {total} events, {rate:.0f} events/s, {left:.0f} s left"
                    )

            yield report
