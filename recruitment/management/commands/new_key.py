import base64
import os
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from eventstore.infrastructure.keys import fingerprint_of


class Command(BaseCommand):
    help = (
        "Make a wrapping key for personal data: in FILE, which is made and which its owner alone "
        "may read, or as the only line of standard output. Its fingerprint goes to standard error. "
        "Needs no settings."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", type=Path, nargs="?")
        parser.add_argument(
            "--add",
            action="store_true",
            help="to the keys that are in FILE already, as the last of them",
        )

    def handle(self, *, file: Path | None, add: bool, **options: Any) -> None:
        if add and file is None:
            raise CommandError("--add needs the FILE that the key is added to.")
        key = secrets.token_bytes(32)
        text = base64.b64encode(key).decode()
        if file is None:
            self.stdout.write(text)
        else:
            try:
                _write(file, text, add=add)
            except FileExistsError as error:
                raise CommandError(
                    f"{file} is there already and stays as it is. A further key is put behind its "
                    "keys by --add."
                ) from error
            except OSError as error:
                raise CommandError(f"{file} cannot be written: {error.strerror}") from error
        self.stderr.write(
            f"wrapping key {fingerprint_of(key)}: keep a copy apart from the database"
        )


def _write(file: Path, text: str, *, add: bool) -> None:
    how = os.O_WRONLY | os.O_APPEND if add else os.O_WRONLY | os.O_CREAT | os.O_EXCL
    whole_lines = not add or file.read_bytes()[-1:] in (b"", b"\n")
    with open(os.open(file, how, 0o600), "w", encoding="ascii") as opened:
        opened.write(f"{text}\n" if whole_lines else f"\n{text}\n")
        opened.flush()
        os.fsync(opened.fileno())
