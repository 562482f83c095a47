"""Asks the database no longer than somebody waits for the answer."""

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from threading import BoundedSemaphore, Thread
from time import monotonic
from typing import TypeVar

from django.db import connections

T = TypeVar("T")
MOST = 4
"""Questions at a time. A database that is frozen holds that many threads, and no more."""
_free = BoundedSemaphore(MOST)


class NoAnswer(Exception):
    """There was none in time. Whoever is asked goes on by itself, and nobody hears of it."""


def ask(act: Callable[[], T], *, seconds: float) -> T:
    """Calls `act` in a thread of its own, with a connection of its own that is closed after it.

    Raises NoAnswer, and what `act` raises.
    """
    deadline = monotonic() + seconds
    if not _free.acquire(timeout=seconds):
        raise NoAnswer
    answer: Future[T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            answer.set_result(context.run(act))
        except BaseException as error:  # noqa: BLE001  # raised where somebody still waits
            answer.set_exception(error)
        finally:
            connections.close_all()
            _free.release()

    Thread(target=run, name="bounded", daemon=True).start()
    try:
        return answer.result(timeout=max(0.0, deadline - monotonic()))
    except TimeoutError:
        raise NoAnswer from None
