"""Several appends as one."""

from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, transaction

T = TypeVar("T")

ATTEMPTS = 10
_DEADLOCK = "40P01"


def in_one_transaction(work: Callable[[], T]) -> T:
    """What `work` appends is stored together or, if it raises, not at all.

    Two that append to the same streams in another order may wait for each other. PostgreSQL then
    refuses one of them, whose work is done again: it may be called several times.
    """
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                return work()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != _DEADLOCK or attempt == ATTEMPTS:
                raise
    raise AssertionError  # the last attempt has raised
