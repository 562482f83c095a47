"""What every command brings along, whatever it asks for."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, ClassVar, Protocol
from uuid import UUID

from eventstore.domain.content import check_content
from eventstore.domain.events import Metadata


class Command(Protocol):
    """A frozen dataclass in the imperative that names the permission it needs."""

    permission: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """Who gives a command, through which door, and on which terms."""

    actor: str
    door: str
    """`api`, `admin`, `import` or `command line`."""
    allows: Callable[[str], bool]
    """Whether the caller holds a permission, named `app.codename`."""
    on_behalf_of: str | None = None
    command_id: UUID | None = None
    """Makes a retry safe: the same id and content again is answered, not carried out."""
    expected_version: int | frozenset[int] | None = None
    """The version the caller decided on, or several of which any will do; None: the newest."""
    occurred_at: datetime | None = None
    """Business time, for who may back-date; None: now."""
    correlation_id: UUID | None = None
    """Shared by the commands of one batch."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Free metadata."""

    def expects(self, version: int) -> bool:
        """Whether the command may be decided on this version."""
        match self.expected_version:
            case None:
                return True
            case int(expected):
                return version == expected
            case several:
                return version in several

    def metadata(self, command: Command) -> Metadata:
        """Raises InvalidValue for content that cannot be kept."""
        return Metadata(
            actor=self.actor,
            door=self.door,
            on_behalf_of=self.on_behalf_of,
            causation_id=self.command_id,
            command_digest=digest_of(command, occurred_at=self.occurred_at)
            if self.command_id
            else None,
            extra=self.extra,
        )


def digest_of(command: Command, *, occurred_at: datetime | None = None) -> str:
    """A fingerprint of the kind of command, what it is about, its content and a stated time.

    Raises InvalidValue for content that cannot be kept.
    """
    content = {f.name: getattr(command, f.name) for f in fields(command)}
    check_content(content)
    said: list[object] = [type(command).__name__, content]
    if occurred_at is not None:
        # The instant, whatever offset it was written with.
        said.append(occurred_at.timestamp())
    text = json.dumps(said, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
