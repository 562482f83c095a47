"""The rows that imports have taken, in the project's database."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from django.db import connection

from candidates.application.ports import TakenRow
from candidates.models import ImportedRow
from eventstore.infrastructure.portions import portions

_INTO = f"INSERT INTO {ImportedRow._meta.db_table} (place, digest, candidate, system, file)"
_INSERT = f"{_INTO} VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
_INSERT_ARRAYS = (
    f"{_INTO} SELECT place, digest, candidate, %s, %s "  # noqa: S608  # the table's name is ours
    "FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[]) AS taken (place, digest, candidate) "
    "ON CONFLICT DO NOTHING"
)
# Looked up one by one: while an import fills the table, its statistics lag behind, and PostgreSQL
# would rather read all of it.
_AT = (
    "SELECT taken.* FROM unnest(%s::uuid[]) AS asked (place) CROSS JOIN LATERAL "  # noqa: S608
    f"(SELECT place, digest, file FROM {ImportedRow._meta.db_table} "
    "AS taken WHERE taken.place = asked.place OFFSET 0) AS taken"
)


class DjangoTakenRows:
    def __init__(self, system: str) -> None:
        self._system = system

    def at(self, places: Collection[UUID]) -> Mapping[UUID, Mapping[UUID, UUID]]:
        found: dict[UUID, dict[UUID, UUID]] = {}
        for portion in portions(places):
            for place, digest, file in self._at(portion):
                found.setdefault(place, {})[digest] = file
        return found

    def _at(self, places: Sequence[UUID]) -> Sequence[tuple[UUID, UUID, UUID]]:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(_AT, [list(places)])
                return list(cursor.fetchall())
        rows = ImportedRow.objects.filter(place__in=places)
        return list(rows.values_list("place", "digest", "file"))

    def add(self, rows: Sequence[TakenRow], *, file: UUID) -> None:
        # Another import of the same rows may be at work, and they say the same.
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                columns = [list(column) for column in zip(*rows, strict=True)]
                cursor.execute(_INSERT_ARRAYS, [self._system, file, *columns])
            else:
                values = [
                    (row.place.hex, row.digest.hex, row.candidate_id.hex, self._system, file.hex)
                    for row in rows
                ]
                cursor.executemany(_INSERT, values)


def forget_rows() -> int:
    """Whatever comes again is decided anew, and is known by the ids of the commands it became."""
    return ImportedRow.objects.all()._raw_delete(ImportedRow.objects.db)


def candidates_of(file: UUID, among: Collection[UUID]) -> set[UUID]:
    """Those of these candidates of whom the file had rows."""
    rows = ImportedRow.objects.filter(file=file)
    return {
        candidate
        for portion in portions(among)
        for candidate in rows.filter(candidate__in=portion).values_list("candidate", flat=True)
    }
