"""Real threads with connections of their own, all let go at once, or one held in its tracks."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Barrier, Event, local
from typing import Any, TypeVar

import pytest
from django.db import connection, transaction

from eventstore.infrastructure.store import DjangoEventStore

T = TypeVar("T")


def together(count: int, act: Callable[[int], T]) -> list[T | Exception]:
    """Run `act(0) … act(count - 1)` at the same moment; what one raises is its result."""
    barrier = Barrier(count, timeout=30)

    def run(number: int) -> T | Exception:
        try:
            connection.ensure_connection()
            barrier.wait()
            return act(number)
        except Exception as error:  # noqa: BLE001  # it is the result
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def all_decide_before_any_appends(monkeypatch: pytest.MonkeyPatch, writers: int) -> None:
    """Hold each writer's first append back until all are there, so that they surely collide."""
    append = DjangoEventStore.append
    decided = Barrier(writers, timeout=30)
    thread = local()

    def append_together(self: DjangoEventStore, *args: Any, **options: Any) -> Any:
        if not hasattr(thread, "decided"):
            thread.decided = decided.wait()
        return append(self, *args, **options)

    monkeypatch.setattr(DjangoEventStore, "append", append_together)


@contextmanager
def in_flight(act: Callable[[], object], *, commit: bool = True) -> Iterator[None]:
    """`act` is done, in a transaction of another connection that stays open in the block."""
    done, go_on = Event(), Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                done.set()
                assert go_on.wait(timeout=30)
                transaction.set_rollback(not commit)
        finally:
            done.set()
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run)
        done.wait(timeout=30)
        try:
            yield
        finally:
            go_on.set()
            running.result()
