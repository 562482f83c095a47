"""Nobody waits for the database longer than was said."""

from threading import Event

import pytest
from django.db import connection

from recruitment.bounded import MOST, NoAnswer, ask


def test_the_answer_comes_from_a_connection_of_its_own(transactional_db: None) -> None:
    connection.ensure_connection()
    assert ask(lambda: connection.connection, seconds=30) is not connection.connection
    connection.ensure_connection()
    assert connection.is_usable()


def test_what_is_raised_is_raised(transactional_db: None) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask(fail, seconds=30)


def test_who_does_not_answer_is_not_waited_for_nor_asked_without_end() -> None:
    frozen = Event()
    begun = []

    def hang() -> None:
        begun.append(1)
        frozen.wait(60)

    try:
        for _ in range(MOST + 3):
            with pytest.raises(NoAnswer):
                ask(hang, seconds=0.05)
        assert len(begun) <= MOST
    finally:
        frozen.set()
    # Those that hung have let go.
    assert ask(lambda: 1, seconds=30) == 1
