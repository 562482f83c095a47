"""A PostgreSQL that lacks an extension that searches need."""

from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import DatabaseError

lists: Any = import_module("candidates.migrations.0002_lists")
contact_keys: Any = import_module("candidates.migrations.0003_contact_keys")


class Refusing:
    """A cursor of somebody who may not make extensions, or where there is none to be had."""

    def __enter__(self) -> "Refusing":
        return self

    def __exit__(self, *_: object) -> None: ...

    def execute(self, statement: str) -> None:
        assert statement.startswith("CREATE EXTENSION")
        raise DatabaseError("permission denied to create extension")


@pytest.mark.parametrize(
    ("make", "extension"),
    [(lists.ease_searches, "pg_trgm"), (contact_keys.index_keys, "btree_gin")],
)
def test_who_may_not_make_the_extension_is_told_what_to_do(
    make: Callable[..., None], extension: str
) -> None:
    connection = SimpleNamespace(vendor="postgresql", cursor=Refusing)
    with pytest.raises(CommandError) as refused:
        make(None, SimpleNamespace(connection=connection))
    told = str(refused.value)
    assert "permission denied to create extension" in told
    assert f"have somebody who may run CREATE EXTENSION {extension} in this database" in told
