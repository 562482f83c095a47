import csv
import json
import sys
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from tqdm import tqdm

from candidates import wiring
from candidates.application.history_import import Outcome, Taken
from candidates.application.history_map import HistoryMap, InvalidMap
from candidates.application.history_rows import UnusableFile
from eventstore.domain.exceptions import LogNotHere, ReadOnly

ROWS_PER_COMMIT = 1000
PLAIN_PROGRESS_EVERY = 10_000
SUMMARY = (
    Outcome.ADDED,
    Outcome.STANDBY,
    Outcome.INVITED,
    Outcome.REJECTED,
    Outcome.REFUSED,
    Outcome.IGNORED,
)
EVENTS = SUMMARY[:4]


class Command(BaseCommand):
    help = (
        "Import another system's process log: a CSV, plain or gzip, one row an activity. "
        "Rows decided by an earlier run are not decided again, so a run can be repeated."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--map", metavar="FILE", type=Path, required=True, dest="map_file")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")
        parser.add_argument(
            "--report", metavar="FILE", type=Path, help="CSV of the rows refused: line, key, code"
        )

    def handle(
        self, *, file: Path, map_file: Path, dry_run: bool, report: Path | None, **options: Any
    ) -> None:
        try:
            wiring.require_log()
            if not dry_run:
                wiring.require_writable()
        except (LogNotHere, ReadOnly) as error:
            raise CommandError(str(error)) from error
        history_map = _read_map(map_file)
        counts: Counter[Outcome] = Counter()
        with ExitStack() as stack:
            try:
                rows = stack.enter_context(wiring.history_rows(file, columns=history_map.columns))
            except UnusableFile as error:
                raise CommandError(str(error)) from error
            batch_id = history_map.batch_id(wiring.content_digest(file))
            importing = wiring.history_import(history_map, batch_id=batch_id, dry_run=dry_run)
            if report and report.exists() and any(map(report.samefile, (file, map_file))):
                raise CommandError(f"The report would overwrite {report}, which is read.")
            write_refused = stack.enter_context(_report(report))
            progress = stack.enter_context(tqdm(unit=" rows", disable=None, file=sys.stderr))
            try:
                while chunk := list(islice(rows, ROWS_PER_COMMIT)):
                    with nullcontext() if dry_run else transaction.atomic():
                        taken = [one for row in chunk for one in importing.take(row)]
                    # Reported and counted only once they are stored.
                    write_refused(taken)
                    counts.update(one.outcome for one in taken)
                    progress.update(len(chunk))
                    if progress.disable and counts.total() % PLAIN_PROGRESS_EVERY == 0:
                        self.stderr.write(f"{counts.total()} rows")
            except UnusableFile as error:
                raise CommandError(
                    f"{file} cannot be read any further after {counts.total()} rows ({error}). "
                    "Those are imported; run again with the whole file for the rest."
                ) from error
            finally:
                if not dry_run:
                    wiring.repair()
        if counts[Outcome.KNOWN]:
            self.stdout.write(
                f"{sum(counts[outcome] for outcome in EVENTS)} events stored; "
                f"{counts[Outcome.KNOWN]} rows were decided by an earlier run"
            )
        self.stdout.write(", ".join(f"{outcome} {counts[outcome]}" for outcome in SUMMARY))


def _read_map(path: Path) -> HistoryMap:
    try:
        return HistoryMap.parse(json.loads(path.read_bytes()))
    except OSError as error:
        raise CommandError(f"The map cannot be read: {error}") from error
    except InvalidMap as error:
        raise CommandError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"The map {path} is not JSON: {error}") from error


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    if path is None:
        yield lambda taken: None
        return
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise CommandError(f"The report cannot be written: {error}") from error
    with file:
        writer = csv.writer(file)
        writer.writerow(["line", "key", "code"])

        def write(taken: list[Taken]) -> None:
            writer.writerows(
                (one.line, one.key, one.code) for one in taken if one.outcome is Outcome.REFUSED
            )
            file.flush()

        yield write
