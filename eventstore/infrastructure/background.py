"""What a process does once on the side."""

import logging
from collections.abc import Callable
from threading import Lock, Thread

from django.db import connections

from eventstore.application.parking import described
from eventstore.domain.exceptions import LogWasRestored, UndecodableEvent, UnsafeLogRead
from eventstore.infrastructure.outages import outage_of

_HARMLESS = (LogWasRestored, UndecodableEvent, UnsafeLogRead)
"""Errors whose text quotes nobody and says what to do."""
logger = logging.getLogger(__name__)


def told(error: Exception) -> str:
    """Its text, where that quotes nobody, and else its class and place."""
    return str(error) if isinstance(error, _HARMLESS) else described(error)


class OnceInBackground:
    """Runs `act` in a thread of its own when it is first started, and later starts do nothing.

    The next one runs it anew where the database was away or locked meanwhile, or `again` was
    called. Nobody waits for it, and nobody fails with it.
    """

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act
        self._lock = Lock()
        self.begun = False

    def start(self) -> None:
        with self._lock:
            if self.begun:
                return
            self.begun = True
        Thread(target=self._run, name=self._act.__name__, daemon=True).start()

    def again(self) -> None:
        """There is something to do since it was begun."""
        self.begun = False

    def _run(self) -> None:
        try:
            self._act()
        except Exception as error:  # noqa: BLE001  # its text may quote somebody's data
            if outage_of(error):
                logger.error("%s will be tried again: %s", self._act.__name__, told(error))
                self.again()
            else:
                logger.error("%s failed in the background: %s", self._act.__name__, told(error))
        finally:
            connections.close_all()
