"""The event store's own event: a stream's personal data can no longer be read by anybody."""

from dataclasses import dataclass
from typing import ClassVar

from eventstore.domain.events import DomainEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyDeclaredLost(DomainEvent):
    """The wrapping key of the stream's key is lost, and with it what is personal in the stream.

    It can come in every stream. No aggregate applies it: its rules need nothing personal.
    """

    event_type: ClassVar[str] = "eventstore.key_declared_lost"
    erases_personal_data: ClassVar[bool] = True
    fingerprint: str
    """Of the wrapping key."""
    reason: str
    """In the words of who declared it. It stays readable."""
