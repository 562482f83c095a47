"""Says by which of PostgreSQL's own commands this database is backed up and restored."""

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from recruitment.backups.afterwards import STEPS

PAGE = "recruitment/docs/backups.md"


def address(settings: Mapping[str, Any]) -> str:
    """Where the database is, for PostgreSQL's commands. Without the password, which they ask for.

    `settings` are those of Django's connection.
    """
    options = {
        name: str(value)
        for name, value in settings["OPTIONS"].items()
        if name in ("service", "sslmode", "sslrootcert", "target_session_attrs")
    }
    user = f"{quote(settings['USER'], safe='')}@" if settings["USER"] else ""
    host = quote(settings["HOST"], safe=":,")
    if ":" in host:
        host = f"[{host}]"
    port = f":{settings['PORT']}" if settings["PORT"] else ""
    query = f"?{urlencode(options)}" if options else ""
    return f"postgresql://{user}{host}{port}/{quote(settings['NAME'] or '', safe='')}{query}"


def backup_commands(settings: Mapping[str, Any], file: str) -> str:
    return f"""\
This database is PostgreSQL's, which has commands of its own ({PAGE}):

  pg_dump --format=custom --file={shlex.quote(file)} {shlex.quote(address(settings))}

The password is asked for, or read from ~/.pgpass. Nothing was backed up."""


def restore_commands(settings: Mapping[str, Any], file: str) -> str:
    to = shlex.quote(address(settings))
    return f"""\
This database is PostgreSQL's, which has commands of its own ({PAGE}).
Into an empty database, while no process of this project runs:

  pg_restore --exit-on-error --single-transaction --no-owner --dbname={to} {shlex.quote(file)}

The password is asked for, or read from ~/.pgpass. Nothing was restored. Afterwards:

{STEPS}"""
