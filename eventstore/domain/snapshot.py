"""An aggregate's state at one version of its stream, kept so that a load need not fold it anew."""

from dataclasses import dataclass
from uuid import UUID

from eventstore.domain.content import STREAM_TYPE_LENGTH, check_name, check_schema
from eventstore.domain.events import StreamHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Holds no personal data: an erasure need not look for it here.

    Raises InvalidValue for a stream type or a schema that no column keeps.
    """

    stream_id: UUID
    stream_type: str
    schema: int
    """The aggregate's `snapshot_schema` when it was taken."""
    head: StreamHead
    """Of the last event folded into it: the log has that very event, or this is of no use."""
    state: str
    """Canonical JSON, which nobody decodes before all of the above was found to fit."""

    def __post_init__(self) -> None:
        check_name(self.stream_type, longest=STREAM_TYPE_LENGTH)
        check_schema(self.schema)
