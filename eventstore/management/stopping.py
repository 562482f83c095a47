"""How a command that runs on and on is told to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from eventstore.application.outages import Stopped

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Told:
    """See `outages.Stop`."""

    def __init__(self) -> None:
        self.at_once = False
        self._told = False

    def __call__(self) -> bool:
        return self._told

    def hear(self, number: int, frame: FrameType | None) -> None:
        self._told = True
        if self.at_once:
            self.at_once = False
            raise Stopped


@contextmanager
def told_to_stop() -> Iterator[_Told]:
    """Within the block, SIGTERM and Ctrl-C interrupt nothing: what is given answers True then.

    Unless it was asked to interrupt `at_once`.
    """
    told = _Told()
    before = {number: signal.signal(number, told.hear) for number in SIGNALS}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
