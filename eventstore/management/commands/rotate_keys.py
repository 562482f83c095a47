from typing import Any

from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring


class Command(BaseCommand):
    help = (
        "Wrap every stream's key under the first of PERSONAL_DATA_KEYS. Afterwards the others are "
        "not needed any more, except for backups made before."
    )

    def handle(self, **options: Any) -> None:
        try:
            rotated, kept = wiring.rotate_keys()
        except wiring.KeyUnavailable as error:
            raise CommandError(
                f"{error}. Add the key that is missing behind the newest one and run again."
            ) from error
        self.stdout.write(f"rotated {rotated} keys, {kept} were under the newest key already")
