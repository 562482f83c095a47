"""`python -m tests.benchmarks NAME`: each database in a process of its own, as Django wants it."""

import argparse
import importlib
import os
import subprocess
import sys

from tests.benchmarks.databases import default_urls, fresh

NAMES = (
    "append",
    "rehydrate",
    "read",
    "command",
    "replay",
    "live",
    "lists",
    "publish",
    "consume",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument(
        "--database-url", metavar="URL", help="only on this server, or `sqlite:///`"
    )
    parser.add_argument("--events", type=int, default=100_000, help="stored before it starts")
    parser.add_argument(
        "--rows", type=int, help="candidates of `lists`; by default 1,000,000, on SQLite 100,000"
    )
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    if options.events < 1:
        parser.error("--events: at least 1 is stored before anything is measured.")
    if options.rows is not None and options.rows < 1:
        parser.error("--rows: at least 1.")
    if options.database_url is None:
        again = [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]]
        return max(
            subprocess.run([*again, "--database-url", url], check=False).returncode
            for url in default_urls()
        )
    with fresh(options.database_url) as url:
        os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        many = 100_000 if options.database_url.startswith("sqlite") else 1_000_000
        stored = options.rows or many if options.name == "lists" else options.events
        _run(options.name, stored, as_json=options.json)
    return 0


def _run(name: str, stored: int, *, as_json: bool) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    for figure in importlib.import_module(f"tests.benchmarks.{name}").run(stored):
        print(figure.as_json() if as_json else figure, flush=True)
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
