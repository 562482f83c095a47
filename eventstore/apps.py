from typing import Any

from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate


class EventstoreConfig(AppConfig):
    name = "eventstore"
    verbose_name = "Event store"
    groups = {"Operators": ["view_storageevent"]}

    def ready(self) -> None:
        post_migrate.connect(ensure_append_only, sender=self)


def ensure_append_only(using: str, **_: Any) -> None:
    """After every migrate, since SQLite drops triggers when it rebuilds a table."""
    from eventstore import wiring

    wiring.ensure_triggers(connections[using])
