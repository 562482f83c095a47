import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring


class Command(BaseCommand):
    help = "Describe what goes over the broker, in AsyncAPI 3.0, in a file that is committed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", metavar="PATH", type=Path, nargs="?", default=settings.EVENT_ASYNCAPI
        )
        parser.add_argument(
            "--check", action="store_true", help="write nothing; fail where the file is not right"
        )

    def handle(self, *, path: Path, check: bool, **options: Any) -> None:
        text = json.dumps(wiring.asyncapi(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        try:
            if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
                raise CommandError(f"{path} is not what the events are now: write it anew.")
            if not check:
                path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{path}: {error}") from error
        self.stdout.write(f"{path.name} describes what is published")
