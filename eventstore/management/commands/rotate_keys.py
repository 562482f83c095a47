from typing import Any

from django.core.management.base import BaseCommand, CommandError

from eventstore import wiring

NAMED = 20
"""At most, of those that fail."""


class Command(BaseCommand):
    help = (
        "Wrap every stream's key, and every secret, under the first of PERSONAL_DATA_KEYS. "
        "Afterwards the others are not needed any more, except for backups made before."
    )

    def handle(self, **options: Any) -> None:
        rotated = wiring.rotate_keys()
        self.stdout.write(
            f"rotated {rotated.anew} keys, {rotated.kept} were under the newest key already"
        )
        if rotated.failed:
            named = [f"{what}: {why}" for what, why in rotated.failed[:NAMED]]
            raise CommandError(
                f"{len(rotated.failed)} keys could not be rotated. Where a wrapping key is not "
                "configured, add it behind the newest one and run again.\n" + "\n".join(named)
            )
