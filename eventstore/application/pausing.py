"""Work that operators hold for a while: a projection, the relay, or what a group receives."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from eventstore.application.ports import EventHandler, Pause, Pauses
from eventstore.domain.events import RecordedEvent

LOOK = 1.0
"""Seconds between two looks: so long a process may go on after somebody has paused it."""


def of_group(group: str) -> str:
    """What holds all that a consuming system receives goes by. No projection is called so."""
    return f"group {group}"


def troubles(pauses: Mapping[str, Pause]) -> Iterator[str]:
    """What is held, in words."""
    for name, (reason, since) in pauses.items():
        yield (
            f"{name}: paused since {since:%Y-%m-%d %H:%M:%S %Z}: {reason} "
            "(`manage.py resume` lets it go on)"
        )


class Holds:
    """Which work is held, looked up once in `LOOK` seconds however often it is asked."""

    def __init__(self, pauses: Pauses, *, monotonic: Callable[[], float]) -> None:
        self._pauses = pauses
        self._monotonic = monotonic
        self._known: Mapping[str, Pause] = {}
        self._look_at = monotonic()

    def held(self, name: str) -> bool:
        if self._monotonic() >= self._look_at:
            self._known = self._pauses.all()
            self._look_at = self._monotonic() + LOOK
        return name in self._known

    def look_again(self) -> None:
        """The next question is put to the database."""
        self._look_at = self._monotonic()


class PausableHandler:
    """Leaves events alone while its projection is held: repairs bring them when it goes on."""

    def __init__(self, handler: EventHandler, name: str, *, held: Callable[[str], bool]) -> None:
        self._handler = handler
        self._name = name
        self._held = held

    def __repr__(self) -> str:
        return repr(self._handler)

    def handle(self, events: Sequence[RecordedEvent]) -> None:
        if not self._held(self._name):
            self._handler.handle(events)
