import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class Command(BaseCommand):
    help = (
        "Write a JSON Schema of every event type and version to a file that is committed. What "
        "stands there is never changed; a class that differs from it needs a new version."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", metavar="PATH", type=Path, nargs="?", default=settings.EVENT_SCHEMAS
        )
        parser.add_argument(
            "--check", action="store_true", help="write nothing; fail where the file is not right"
        )

    def handle(self, *, path: Path, check: bool, **options: Any) -> None:
        compared = wiring.compared_schemas(_read(path))
        faults = compared.faults
        if check:
            faults += [f"{name} is not in {path}: write it there." for name in compared.new]
        if faults:
            raise CommandError("\n".join(faults))
        if check:
            self.stdout.write(f"{len(compared.schemas)} versions of events are as they were")
            return
        content = {"$schema": DIALECT, "$defs": compared.schemas}
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
        try:
            path.write_text(f"{text}\n", encoding="utf-8")
        except OSError as error:
            raise CommandError(f"The schemas cannot be written: {error}") from error
        self.stdout.write(f"{len(compared.schemas)} versions of events, {len(compared.new)} new")


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise CommandError(f"{path} cannot be read: {error}") from error
    match content:
        case {"$defs": dict(kept)}:
            return kept
    raise CommandError(f"{path} holds no $defs: it is not a file of this command.")
