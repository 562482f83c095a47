"""Pauses in the project's database, so that every process obeys."""

from collections.abc import Callable, Mapping
from datetime import datetime

from eventstore import models
from eventstore.application.naming import obstacle_of
from eventstore.application.ports import Pause


class DjangoPauses:
    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock

    def all(self) -> Mapping[str, Pause]:
        rows = models.Pause.objects.order_by("name")
        return {row.name: Pause(row.reason, row.since) for row in rows}

    def pause(self, name: str, reason: str) -> None:
        values = {"reason": obstacle_of(reason)}
        models.Pause.objects.update_or_create(
            name=name, defaults=values, create_defaults={**values, "since": self._clock()}
        )

    def resume(self, name: str) -> bool:
        deleted, _ = models.Pause.objects.filter(name=name).delete()
        return bool(deleted)
