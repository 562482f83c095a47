from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from eventstore.management.stopping import told_to_stop
from recruitment.backups import postgresql
from recruitment.backups.afterwards import STEPS
from recruitment.backups.inspection import Refused, file_of, printed
from recruitment.backups.sqlite_restore import restore


class Command(BaseCommand):
    help = (
        "Put the backup in FILE in the place of the SQLite database, whole or not at all, while "
        "no other process uses it. Says what to do next. On PostgreSQL it says which command "
        "restores."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument(
            "--replace", action="store_true", help="also where the database holds anything"
        )

    def handle(self, *, file: str, replace: bool, **options: Any) -> None:
        if connection.vendor == "postgresql":
            raise CommandError(postgresql.restore_commands(connection.settings_dict, file))
        # This process is not to be in its own way.
        connection.close()
        try:
            with told_to_stop() as stopped:
                database = file_of(connection.settings_dict["NAME"])
                restored = restore(Path(file), database, replace=replace, stopped=stopped)
        except Refused as error:
            raise CommandError(str(error)) from error
        if restored.replaced:
            self.stdout.write(f"replaced {restored.replaced}")
        self.stdout.write(f"restored {restored.end}, from {printed(file)}. Next:\n\n{STEPS}")
