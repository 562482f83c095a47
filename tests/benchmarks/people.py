"""Candidates to fill a server with: the same people and ids for this project and a rival."""

from collections.abc import Iterator
from random import Random
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from recruitment.demo.people import applicant


def candidate_id(number: int) -> UUID:
    return uuid5(NAMESPACE_OID, f"candidate {number}")


def people(count: int) -> Iterator[tuple[dict[str, Any], float]]:
    """Profiles and scores, which are good enough for an invitation."""
    rng = Random(7)
    for number in range(count):
        yield applicant(rng, number), 80.0 + number % 20
