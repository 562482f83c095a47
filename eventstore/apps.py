from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db import connections
from django.db.models.signals import post_migrate


class EventstoreConfig(AppConfig):
    name = "eventstore"
    verbose_name = "Event store"
    groups = {"Operators": ["view_storageevent", "read_feed"]}

    def ready(self) -> None:
        from eventstore.checks import check_log_guards

        post_migrate.connect(ensure_append_only, sender=self)
        checks.register(check_log_guards, checks.Tags.database)


def ensure_append_only(using: str, **_: Any) -> None:
    """After every migrate, since SQLite drops triggers when it rebuilds a table."""
    from eventstore import wiring

    wiring.ensure_triggers(connections[using])
