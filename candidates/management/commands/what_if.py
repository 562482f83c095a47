import csv
import os
import tempfile
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError

from candidates import wiring
from candidates.application.what_if import UNDECIDED, read_threshold
from candidates.management.spreadsheet import as_text
from candidates.models import CandidateProjection
from eventstore.domain.exceptions import InvalidValue

ROWS_AT_A_TIME = 2000


def stated_threshold(text: str) -> float:
    try:
        return read_threshold(text)
    except InvalidValue as error:
        raise ArgumentTypeError(error.detail) from error


class Command(BaseCommand):
    help = (
        "Show who would be on the other side of another threshold: candidates without a decision "
        "who would pass, and invited ones who would not. Changes nothing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--threshold", metavar="T", type=stated_threshold, required=True)
        parser.add_argument(
            "--csv", metavar="FILE", type=Path, dest="file", help="who they are, with their scores"
        )

    def handle(self, *, threshold: float, file: Path | None, **options: Any) -> None:
        written = None if file is None else _write(file, threshold)
        answer = wiring.what_if(threshold)
        would_pass, would_not = (
            " and ".join(
                f"{n} of {answer.candidates[status]} {status}" for status, n in part.items()
            )
            for part in (answer.would_pass, answer.would_not_pass)
        )
        self.stdout.write(f"at {threshold}, {would_pass} would pass")
        self.stdout.write(f"at {threshold}, {would_not} would not pass")
        if written is not None:
            self.stdout.write(f"{written} candidates written to {file}")


def _write(path: Path, threshold: float) -> int:
    """Who would pass, then who would not, the highest score first. Returns how many there are."""
    affected = CandidateProjection.objects.affected_by(threshold).order_by(
        "-score", "added_position"
    )
    written = 0
    with _replaced(path) as file:
        writer = csv.writer(file)
        writer.writerow(["id", "name", "status", "score", "outcome"])
        for outcome, candidates in (
            ("would pass", affected.filter(status__in=UNDECIDED)),
            ("would not pass", affected.exclude(status__in=UNDECIDED)),
        ):
            rows = candidates.values_list("pk", "name", "status", "score")
            for id, name, status, score in rows.iterator(chunk_size=ROWS_AT_A_TIME):
                writer.writerow([id, as_text(name), status, score, outcome])
                written += 1
    return written


@contextmanager
def _replaced(path: Path) -> Iterator[IO[str]]:
    """The file is there whole or as it was before. Only its owner may read it: it holds names."""
    target, unfinished = Path(os.path.realpath(path)), None
    try:
        if target.exists() and not target.is_file():
            raise CommandError(f"{path} cannot be written: it is not a file.")
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=target.parent, prefix=".what_if-", delete=False
        ) as file:
            unfinished = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        if unfinished is not None:
            unfinished.unlink(missing_ok=True)
