"""The rows that imports have taken, in the project's database."""

from collections.abc import Collection, Mapping, Sequence
from uuid import UUID

from candidates.application.ports import TakenRow
from candidates.models import ImportedRow


class DjangoTakenRows:
    def __init__(self, system: str) -> None:
        self._system = system

    def at(self, places: Collection[UUID]) -> Mapping[UUID, Mapping[UUID, UUID]]:
        found: dict[UUID, dict[UUID, UUID]] = {}
        rows = ImportedRow.objects.filter(place__in=places)
        for place, digest, file in rows.values_list("place", "digest", "file"):
            found.setdefault(place, {})[digest] = file
        return found

    def add(self, rows: Sequence[TakenRow], *, file: UUID) -> None:
        ImportedRow.objects.bulk_create(
            (
                ImportedRow(
                    place=row.place,
                    digest=row.digest,
                    candidate=row.candidate_id,
                    system=self._system,
                    file=file,
                )
                for row in rows
            ),
            # Another import of the same rows may be at work.
            ignore_conflicts=True,
        )


def candidates_of(file: UUID, among: Collection[UUID]) -> set[UUID]:
    """Those of these candidates of whom the file had rows."""
    rows = ImportedRow.objects.filter(file=file, candidate__in=among)
    return set(rows.values_list("candidate", flat=True))
