import csv
import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from candidates import wiring
from candidates.application.history_import import Taken
from candidates.application.history_map import HistoryMap
from candidates.application.history_map_json import InvalidMap
from candidates.application.history_rows import UnusableFile, chunks
from candidates.application.history_tally import Tally
from candidates.management.spreadsheet import as_text
from eventstore.domain.exceptions import (
    KeyFault,
    KeyNotAdopted,
    LogNotHere,
    LogWasRestored,
    ReadOnly,
)

PLAIN_PROGRESS_EVERY = 10_000
INTERRUPTED = 130
"""The exit status that shells expect of a process ended by Ctrl-C."""


class Command(BaseCommand):
    help = (
        "Import another system's log: a CSV, JSON Lines or an XES, plain or gzip. Rows decided by "
        "an earlier run are not decided again, so a run can be repeated. Exits with 1 where a row "
        "could not be read, or where none was taken."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path)
        parser.add_argument("--map", metavar="FILE", type=Path, required=True, dest="map_file")
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")
        parser.add_argument(
            "--report",
            metavar="FILE",
            type=Path,
            help="CSV of the rows refused or changed: line, key, code, and what is wrong in words",
        )

    def handle(self, **options: Any) -> None:
        try:
            self._import(**options)
        except KeyboardInterrupt:
            raise CommandError("Stopped.", returncode=INTERRUPTED) from None

    def _import(
        self, *, file: Path, map_file: Path, dry_run: bool, report: Path | None, **options: Any
    ) -> None:
        try:
            wiring.require_log()
            if not dry_run:
                wiring.require_writable()
        except (KeyNotAdopted, LogNotHere, ReadOnly) as error:
            raise CommandError(str(error)) from error
        history_map = _read_map(map_file)
        tally = Tally()
        with ExitStack() as stack:
            try:
                rows = stack.enter_context(wiring.history_rows(file, history_map))
            except UnusableFile as error:
                raise CommandError(str(error)) from error
            batch_id = history_map.batch_id(wiring.content_digest(file))
            try:
                importing = stack.enter_context(
                    wiring.history_import(history_map, batch_id=batch_id, dry_run=dry_run)
                )
            except LogWasRestored as error:
                raise CommandError(
                    f"Earlier imports have taken rows whose events are gone. {error}"
                ) from error
            except wiring.KeyUnavailable as error:
                raise CommandError(
                    "The secret by which rows are known again cannot be opened, so nothing is "
                    f"imported: {error}. Put the key back into PERSONAL_DATA_KEYS."
                ) from error
            if report and report.exists() and any(map(report.samefile, (file, map_file))):
                raise CommandError(f"The report would overwrite {report}, which is read.")
            write_refused = stack.enter_context(_report(report))
            progress = stack.enter_context(tqdm(unit=" rows", disable=None, file=sys.stderr))
            ended, code = "", 1
            try:
                for chunk in chunks(rows):
                    taken = importing.take(chunk)
                    # Counted and reported only once they are stored.
                    for outcomes in taken:
                        tally.count(outcomes)
                    write_refused(one for outcomes in taken for one in outcomes)
                    before = tally.rows - len(chunk)
                    progress.update(len(chunk))
                    if (
                        progress.disable
                        and before // PLAIN_PROGRESS_EVERY != tally.rows // PLAIN_PROGRESS_EVERY
                    ):
                        self.stderr.write(f"{tally.rows} rows")
            except UnusableFile as error:
                ended = f"{file} cannot be read any further after {tally.rows} rows ({error})"
            except UnwritableReport as error:
                ended = f"The report ends after {tally.rows} rows: {error}"
            except KeyboardInterrupt:
                ended, code = f"Stopped after {tally.rows} rows", INTERRUPTED
            except wiring.FAILURES as error:
                if not tally.rows:
                    if isinstance(error, KeyFault):
                        raise CommandError(str(error)) from error
                    raise
                ended = f"The import broke off after {tally.rows} rows ({wiring.reason(error)})"
            problems = []
            if ended:
                done = "" if dry_run else " Those are imported."
                problems.append(
                    f"{ended}.{done} Run again with the whole file: what is done is not done twice."
                )
            if not dry_run:
                try:
                    problems += wiring.bring_rows(until=importing.position, batch_id=batch_id)
                except KeyboardInterrupt:
                    code = INTERRUPTED
                    problems.append(
                        "The rows may not show all of it yet. Run `manage.py follow --once`."
                    )
        for line in tally.unreadable():
            self.stderr.write(line)
        for line in tally.summary():
            self.stdout.write(line)
        if not dry_run and wiring.rows_come_by_messages():
            self.stderr.write(
                "Lists show it once `manage.py publish` and `manage.py consume` have brought "
                "the rows."
            )
        if problem := tally.problem():
            problems.insert(0, problem)
        if problems:
            raise CommandError("\n".join(problems), returncode=code)


def _read_map(path: Path) -> HistoryMap:
    try:
        plain = json.loads(path.read_bytes(), object_pairs_hook=_object)
        return HistoryMap.parse(plain)
    except OSError as error:
        raise CommandError(f"The map cannot be read: {error}") from error
    except InvalidMap as error:
        raise CommandError(f"{path}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise CommandError(f"The map {path} is not JSON: {error}") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = sorted({key for key, _ in pairs if [k for k, _ in pairs].count(key) > 1})
        raise InvalidMap(f"The map says {', '.join(twice)} more than once.")
    return found


class UnwritableReport(Exception):
    """The text says why, and names no row."""


@contextmanager
def _report(path: Path | None) -> Iterator[Any]:
    """Yields what writes the next rows; it raises UnwritableReport."""
    if path is None:
        yield lambda taken: None
        return
    with ExitStack() as stack:
        try:
            file = path.open("w", encoding="utf-8", newline="")
            stack.callback(_close, file)
            writer = csv.writer(file)
            writer.writerow(["line", "key", "code", "detail"])
            # So that a full disk shows before any row is taken.
            file.flush()
        except OSError as error:
            raise CommandError(f"The report cannot be written: {error}") from error

        def write(taken: Iterable[Taken]) -> None:
            try:
                writer.writerows(
                    (one.line, as_text(one.key), one.code, one.detail) for one in taken if one.code
                )
                file.flush()
            except OSError as error:
                raise UnwritableReport(f"it cannot be written ({error})") from error

        yield write


def _close(file: IO[str]) -> None:
    # It tries once more what could not be written, of which somebody has heard.
    with suppress(OSError):
        file.close()
