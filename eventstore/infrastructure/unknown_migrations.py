"""Migrations that newer code has applied to the database."""

from collections.abc import Collection
from functools import cache

from django.db.migrations.loader import MigrationLoader


def unknown_migrations(applied: Collection[tuple[str, str]]) -> list[str]:
    """Those of this code's apps that this code does not have, as `app.name`."""
    apps, known = _in_this_code()
    unknown = {one for one in applied if one[0] in apps} - known
    return sorted(f"{app}.{name}" for app, name in unknown)


@cache
def _in_this_code() -> tuple[set[str], set[tuple[str, str]]]:
    """Read once: code does not change while it runs."""
    loader = MigrationLoader(None)
    found = loader.disk_migrations
    replaced = {former for migration in found.values() for former in migration.replaces}
    return loader.migrated_apps, {*found, *replaced}
