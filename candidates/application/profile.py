"""The profile as the stream has it: what a patch is merged into."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from candidates.domain.events import CandidateAdded, CandidateProfileChanged
from eventstore.application.ports import StreamSource
from eventstore.domain.events import RecordedEvent

PAGE = 50
"""Events read at once, from the newest back."""


def profile_at(source: StreamSource, candidate_id: UUID, *, version: int) -> Mapping[str, Any]:
    """Returns the profile as of `version`; empty after an erasure.

    Raises UndecodableEvent if one of the events that are read for it cannot be decoded.
    """
    while version > 0:
        after = max(0, version - PAGE)
        profile = profile_of(source.read_stream(candidate_id, after=after, until=version))
        if profile is not None:
            return profile
        version = after
    return {}


def profile_of(recorded: Sequence[RecordedEvent]) -> Mapping[str, Any] | None:
    """Returns the profile that the newest of these events set; None if none of them sets one."""
    for one in reversed(recorded):
        if isinstance(one.event, (CandidateAdded, CandidateProfileChanged)):
            return one.event.profile
    return None
