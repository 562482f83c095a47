"""A file has no roles."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL has roles.")
def test_there_is_nobody_to_grant_anything_to() -> None:
    with pytest.raises(CommandError, match="SQLite has no roles: who may write its file may"):
        call_command("grants", "web")
