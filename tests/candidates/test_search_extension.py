"""A PostgreSQL that has no trigrams to offer."""

from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import DatabaseError

migration: Any = import_module("candidates.migrations.0002_lists")


class Refusing:
    """A cursor of somebody who may not make extensions, or where there is none to be had."""

    def __enter__(self) -> "Refusing":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str) -> None:
        assert "pg_trgm" in statement
        raise DatabaseError("permission denied to create extension")


def test_who_may_not_make_the_extension_is_told_what_to_do() -> None:
    connection = SimpleNamespace(vendor="postgresql", cursor=Refusing)
    with pytest.raises(CommandError) as refused:
        migration.ease_searches(None, SimpleNamespace(connection=connection))
    told = str(refused.value)
    assert "permission denied to create extension" in told
    assert "have somebody who may run CREATE EXTENSION pg_trgm in this database" in told
