"""Work that goes on and on: where what it needs is away, it waits for that and begins anew."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

FIRST_RETRY = 0.5
LONGEST_RETRY = 10.0
"""Seconds from a failure to the next try, twice as many each time."""
SETTLED = 2.0
"""Seconds that work has to go on for, before it is said that nothing is in its way any more."""
_NAP = 0.2


class Obstacle(NamedTuple):
    """What is in the way of work, and goes away by itself or by what somebody does elsewhere."""

    kind: str
    """While it stays the same, nothing new is told."""
    told: str
    """In words, for who reads the output of the process."""


class Stopped(BaseException):
    """The process was told to end while it had nothing in hand."""


class Stop(Protocol):
    """Says whether this process was told to end."""

    at_once: bool
    """Whether being told raises Stopped, wherever the process is: it may be waiting for long."""

    def __call__(self) -> bool: ...


class UntilStopped:
    """Runs work until it returns or the process is told to stop, over whatever is in its way.

    `obstacle_of` tells an error that passes from one that does not (None); `recover` lets go of
    what the error has broken; `tell` says what is in the way once, and once that it is gone.
    """

    def __init__(
        self,
        *,
        obstacle_of: Callable[[Exception], Obstacle | None],
        recover: Callable[[], object],
        tell: Callable[[str], object],
        monotonic: Callable[[], float],
        sleep: Callable[[float], object],
        stop: Stop,
    ) -> None:
        self._obstacle_of = obstacle_of
        self._recover = recover
        self._tell = tell
        self._monotonic = monotonic
        self._sleep = sleep
        self._stop = stop
        self._kind = ""
        self._retry_in = FIRST_RETRY
        self._began_at: float | None = None

    def run(self, work: Callable[[Callable[[], bool]], object]) -> bool:
        """`work` is given what to ask whether it shall stop, and asks once it has got going.

        So until then it may be interrupted at any place. False where it was stopped before it had
        got going, or while it waited for something. Raises what `work` raises, unless that passes.
        """
        try:
            while not self._stop():
                self._began_at = None
                try:
                    self._stop.at_once = True
                    work(self._stopped)
                except Exception as error:  # noqa: BLE001  # raised again, unless it passes
                    self._stop.at_once = False
                    self._wait_out(error)
                else:
                    return not self._kind
        except Stopped:
            pass
        finally:
            self._stop.at_once = False
        return False

    def _stopped(self) -> bool:
        self._stop.at_once = False
        now = self._monotonic()
        if self._began_at is None:
            self._began_at = now
        elif self._kind and now - self._began_at >= SETTLED:
            self._tell("Nothing is in the way any more: going on.")
            self._kind, self._retry_in = "", FIRST_RETRY
        return self._stop()

    def _wait_out(self, error: Exception) -> None:
        obstacle = self._obstacle_of(error)
        if obstacle is None:
            raise error
        self._recover()
        if obstacle.kind != self._kind:
            self._tell(f"{obstacle.told} Waiting for it, and going on by itself.")
            self._kind = obstacle.kind
        end = self._monotonic() + self._retry_in
        while not self._stop() and (left := end - self._monotonic()) > 0:
            self._sleep(min(left, _NAP))
        self._retry_in = min(2 * self._retry_in, LONGEST_RETRY)
