"""Port for finding candidates by external id: only one command uses it, under its lock."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol
from uuid import UUID

from candidates.application.projector import LIFTED_LENGTH, uncut
from eventstore.domain.events import RecordedEvent
from eventstore.domain.exceptions import InvalidValue

KEY = "external_id"


class ExternalIds(Protocol):
    """The one read model that a command may look at: it catches up with the log first."""

    def lock(self, external_id: str) -> AbstractContextManager[object]:
        """Opens a transaction in which nobody else has this lock. Held until it ends."""

    def candidates(self, external_id: str) -> Sequence[UUID]:
        """Those whose profile has it, the oldest first; retracted ones may be among them."""

    def added(self, events: Sequence[RecordedEvent]) -> None:
        """Tells of a candidate who was added under the lock."""


def turn_of(external_id: str) -> str:
    """The name under which everybody who looks for this external id waits for a turn."""
    return f"candidate with external id {external_id}"


def external_id_of(profile: Mapping[str, Any]) -> str:
    """All of what the read model shows, empty where there is none: 7 and "7" are one."""
    return uncut(profile.get(KEY))


def checked_external_id(profile: Mapping[str, Any]) -> str:
    """Text or a number of at most LIFTED_LENGTH characters. Raises InvalidValue."""
    external_id = external_id_of(profile)
    if not external_id:
        raise _invalid("required", "This needs text or a number to look for.")
    if len(external_id) > LIFTED_LENGTH:
        raise _invalid("too_long", f"An external id has at most {LIFTED_LENGTH} characters.")
    return external_id


def _invalid(rule: str, detail: str) -> InvalidValue:
    return InvalidValue(pointer=f"/profile/{KEY}", rule=rule, detail=detail)
