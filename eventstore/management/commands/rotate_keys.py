import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from eventstore import wiring
from eventstore.domain.exceptions import KeyNotAdopted


class Command(BaseCommand):
    help = (
        "Wrap every stream's key, and every secret, under the first of the wrapping keys. "
        "Afterwards the others are not needed any more, except for backups made before."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--adopt",
            action="store_true",
            help="first let every configured key write that never could; it is named by its "
            "fingerprint, which new_key has shown",
        )

    def handle(self, *, adopt: bool, **options: Any) -> None:
        try:
            if adopt:
                adopted = wiring.adopt_keys()
                self.stdout.write(f"adopted {', '.join(adopted) or 'none: all were before'}")
            with tqdm(
                total=wiring.stored_keys(), unit=" keys", disable=None, file=sys.stderr
            ) as bar:
                rotated = wiring.rotate_keys(progress=lambda count: bar.update(count))
        except wiring.KeysLacking as error:
            raise CommandError(f"Nothing is adopted: {error}") from error
        except KeyNotAdopted as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"rotated {rotated.anew} keys, {rotated.kept} were under the newest key already"
        )
        if rotated.failed:
            named = [f"{what}: {why}" for what, why in rotated.named]
            raise CommandError(
                f"{rotated.failed} keys could not be rotated. Where a wrapping key is not "
                "configured, add it behind the newest one and run again.\n" + "\n".join(named)
            )
