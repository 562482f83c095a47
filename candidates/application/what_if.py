"""What another threshold would change, asked of the candidates as they stand now."""

from collections.abc import Mapping
from dataclasses import dataclass

from candidates.domain.events import Status
from eventstore.domain.exceptions import InvalidValue
from eventstore.domain.numbers import read_number

UNDECIDED = (Status.ADDED, Status.STANDBY)
"""Who may still be invited, if the score reaches the threshold."""
INVITED = (Status.INVITED,)
"""Who has been, by the threshold of that day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """How many candidates another threshold is about, by status. Every status is there."""

    threshold: float
    would_pass: Mapping[Status, int]
    """Of the undecided, those whose score reaches it."""
    would_not_pass: Mapping[Status, int]
    """Of the invited, those whose score does not."""
    candidates: Mapping[Status, int]
    """All who were looked at."""

    @classmethod
    def of(cls, threshold: float, counted: Mapping[Status, tuple[int, int]]) -> "WhatIf":
        """`counted` has `(candidates, those who reach the threshold)` for statuses that occur."""
        found = {status: counted.get(status, (0, 0)) for status in UNDECIDED + INVITED}
        return cls(
            threshold=threshold,
            would_pass={status: found[status][1] for status in UNDECIDED},
            would_not_pass={status: found[status][0] - found[status][1] for status in INVITED},
            candidates={status: count for status, (count, _) in found.items()},
        )


def read_threshold(text: str) -> float:
    """See `read_number`. Raises InvalidValue for what is no number, and for one beyond 100."""
    detail = "A threshold is a number from 0 to 100, such as 60 or 72.5."
    try:
        threshold = read_number(text)
    except ValueError:
        raise InvalidValue(pointer="/threshold", rule="not_a_number", detail=detail) from None
    if not 0 <= threshold <= 100:
        raise InvalidValue(pointer="/threshold", rule="out_of_range", detail=detail)
    return threshold
