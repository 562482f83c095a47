"""How events that older code stored become today's. Each step is pure and stays for ever."""

from collections.abc import Mapping
from typing import Any

from candidates.domain.events import CandidateRejected, RejectionReason
from eventstore.infrastructure.mapper import Upcaster


def rejected_1_to_2(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Version 1 had a reason in free text only: it becomes the note."""
    return {
        "reason": RejectionReason.OTHER.value,
        "note": data.get("reason", ""),
        "score": None,
        "threshold": None,
    }


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    (CandidateRejected.event_type, 1): rejected_1_to_2,
}
