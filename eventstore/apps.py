from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connections
from django.db.models.signals import post_migrate


class EventstoreConfig(AppConfig):
    name = "eventstore"
    verbose_name = "Event store"
    groups = {
        "Operators": [
            "view_storageevent",
            "read_feed",
            "view_parkedstream",
            "retry_parkedstream",
        ]
    }

    def ready(self) -> None:
        from eventstore.checks import check_log_guards

        post_migrate.connect(adopt_first_keys, sender=self)
        post_migrate.connect(ensure_append_only, sender=self)
        checks.register(check_log_guards, checks.Tags.database)


def adopt_first_keys(using: str, verbosity: int = 0, stdout: Any = None, **_: Any) -> None:
    """The configured key may write to a new log, and those in use to one from before this."""
    from eventstore import wiring

    adopted = wiring.adopt_first_keys(using)
    if verbosity and stdout:
        told = [f"Adopted for this log: wrapping key {fingerprint}" for fingerprint in adopted]
        for line in told + wiring.key_troubles(using):
            stdout.write(f"  {line}")


def ensure_append_only(using: str, **_: Any) -> None:
    """After every migrate, since SQLite drops triggers when it rebuilds a table."""
    from eventstore import wiring

    wiring.ensure_triggers(connections[using])
