from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from recruitment import grants


class Command(BaseCommand):
    help = (
        "Print the SQL that lets a PostgreSQL role serve, and change nothing of the log. With "
        "--apply run it. Both as the role that owns the tables, and again after each migrate."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("role", metavar="ROLE", help="of the web server, follower and relay")
        parser.add_argument("--apply", action="store_true", help="run it, in one transaction")

    def handle(self, *, role: str, apply: bool, **options: Any) -> None:
        if connection.vendor != "postgresql":
            raise CommandError("SQLite has no roles: who may write its file may write the log.")
        if not role.isprintable():
            raise CommandError(f"There is no role {role!r}: it has characters that none has.")
        try:
            if not apply:
                self.stdout.write("BEGIN;")
                for statement in grants.statements(role):
                    self.stdout.write(f"{statement};")
                self.stdout.write("COMMIT;")
                return
            tables = grants.apply(role)
        except grants.RoleUnfit as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{role} has rights on {tables} tables, and on the log only to add to it")
