"""`python -m tests.benchmarks NAME`: each database in a process of its own, as Django wants it."""

import argparse
import importlib
import os
import subprocess
import sys
from typing import Any

from tests.benchmarks.databases import default_urls, fresh
from tests.benchmarks.timing import ROUNDS

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
    "http",
    "import",
    "rotate",
)
MODULES = {"import": "import_rows"}
"""Those that cannot have the benchmark's own name."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("name", choices=NAMES)
    parser.add_argument(
        "--database-url", metavar="URL", help="only on this server, or `sqlite:///`"
    )
    parser.add_argument("--events", type=int, default=100_000, help="stored before it starts")
    parser.add_argument(
        "--rows",
        type=int,
        help="candidates of `lists` (by default 1,000,000, on SQLite 100,000) and `http` (10,000); "
        "rows of `import` (100,000)",
    )
    parser.add_argument(
        "--requests", type=int, default=200, help="of one call in one round of `http`"
    )
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="of `http` and `import`, behind one to warm up"
    )
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args()
    if options.events < 1:
        parser.error("--events: at least 1 is stored before anything is measured.")
    if options.rows is not None and options.rows < 1:
        parser.error("--rows: at least 1.")
    if options.requests < 1 or options.rounds < 1:
        parser.error("--requests, --rounds: at least 1.")
    if options.database_url is None:
        again = [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]]
        return max(
            subprocess.run([*again, "--database-url", url], check=False).returncode
            for url in default_urls()
        )
    with fresh(options.database_url) as url:
        os.environ |= {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "tests.settings"}
        _run(options.name, _stored(options), _terms(options), as_json=options.json)
    return 0


def _stored(options: argparse.Namespace) -> int:
    match options.name:
        case "lists":
            many = 100_000 if options.database_url.startswith("sqlite") else 1_000_000
            return options.rows or many
        case "http":
            return options.rows or 10_000
        case "import":
            return options.rows or 100_000
        case _:
            return int(options.events)


def _terms(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the additional options of `http` and `import`."""
    if options.name == "import":
        return {"rounds": options.rounds}
    if options.name != "http":
        return {}
    return {
        "server": options.database_url,
        "requests": options.requests,
        "rounds": options.rounds,
    }


def _run(name: str, stored: int, terms: dict[str, Any], *, as_json: bool) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    for figure in importlib.import_module(f"tests.benchmarks.{MODULES.get(name, name)}").run(
        stored, **terms
    ):
        print(figure.as_json() if as_json else figure, flush=True)
    connection.close()


if __name__ == "__main__":
    sys.exit(main())
