"""Real threads with connections of their own, all let go at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TypeVar

from django.db import connection

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
