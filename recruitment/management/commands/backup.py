from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from eventstore.management.stopping import told_to_stop
from recruitment.backups import postgresql
from recruitment.backups.inspection import Refused, file_of, printed
from recruitment.backups.sqlite_backup import back_up


class Command(BaseCommand):
    help = (
        "Copy an SQLite database to FILE while it is used, and verify the copy. FILE appears whole "
        "or not at all, and only its owner may read it. On PostgreSQL it says which command does "
        "that. The keys in PERSONAL_DATA_KEYS are not in it: keep them elsewhere."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE")
        parser.add_argument(
            "--replace", action="store_true", help="also where FILE is there already"
        )

    def handle(self, *, file: str, replace: bool, **options: Any) -> None:
        if connection.vendor == "postgresql":
            raise CommandError(postgresql.backup_commands(connection.settings_dict, file))
        try:
            with told_to_stop() as stopped:
                database = file_of(connection.settings_dict["NAME"])
                end = back_up(database, Path(file), replace=replace, stopped=stopped)
        except Refused as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"backed up {end}, into {printed(file)}")
