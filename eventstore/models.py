"""The log's table, what stands beside it, and the column type that read models keep JSON in."""

import json
from typing import Any

import msgspec
from django.db import models

from eventstore.application.naming import LONGEST_OBSTACLE, LONGEST_PAUSED
from eventstore.application.parking import LONGEST_ERROR
from eventstore.domain.content import EVENT_TYPE_LENGTH, PROJECTION_LENGTH, STREAM_TYPE_LENGTH

EVENT_ID_CONSTRAINT = "eventstore_event_id"
VERSION_CONSTRAINT = "eventstore_stream_version"


class StorageEvent(models.Model):
    """One stored event. Rows are only ever added, by the event store alone."""

    position = models.BigAutoField(primary_key=True)
    event_id = models.UUIDField()
    stream_type = models.CharField(max_length=STREAM_TYPE_LENGTH)
    stream_id = models.UUIDField()
    version = models.PositiveIntegerField()
    event_type = models.CharField(max_length=EVENT_TYPE_LENGTH)
    schema_version = models.PositiveSmallIntegerField()
    # Canonical JSON as text: jsonb would turn 1e16 into an integer and lose -0.0.
    data = models.TextField()
    metadata = models.TextField()
    # Encrypted under the stream's key; NULL where the event says nothing personal.
    personal = models.BinaryField(null=True)
    correlation_id = models.UUIDField(null=True, db_index=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    # Over the predecessor's hash and every column but the position.
    hash = models.BinaryField()

    class Meta:
        default_permissions = ("view",)
        permissions = [("read_feed", "Can read every event, from outside")]
        constraints = [
            # First, so that a repeat is told from a conflict where an append is both.
            models.UniqueConstraint(fields=["event_id"], name=EVENT_ID_CONSTRAINT),
            # The optimistic lock: of two writers at one version, one is refused.
            models.UniqueConstraint(fields=["stream_id", "version"], name=VERSION_CONSTRAINT),
        ]

    def __str__(self) -> str:
        return f"{self.position} {self.event_type} {self.stream_id}/{self.version}"


class Fingerprint(models.Func):
    """What a wrapped key begins with: which wrapping key wraps it.

    With its numbers in the text, or SQLite would not find the index on it.
    """

    arity = 1
    template = "SUBSTRING(%(expressions)s, 1, 4)"
    output_field = models.BinaryField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="SUBSTR(%(expressions)s, 1, 4)", **context
        )


class StreamKey(models.Model):
    """The data key of one stream's personal data, wrapped; NULL is the tombstone of an erasure."""

    stream_id = models.UUIDField(primary_key=True)
    wrapped = models.BinaryField(null=True)

    class Meta:
        default_permissions = ()
        permissions = [("declare_key_lost", "Can declare a wrapping key lost for good")]
        indexes = [models.Index(Fingerprint("wrapped"), name="eventstore_key_fingerprint")]

    def __str__(self) -> str:
        return str(self.stream_id)


class KeyCheck(models.Model):
    """A wrapping key that may write to this log, known by what only that key can have made."""

    fingerprint = models.CharField(max_length=8, primary_key=True)
    check_value = models.BinaryField()
    adopted_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.fingerprint


class WrappedSecret(models.Model):
    """A random secret that an app keeps, wrapped as the keys of streams are.

    NULL is the tombstone of one that is lost with its wrapping key: the next is another.
    """

    name = models.CharField(max_length=100, primary_key=True)
    wrapped = models.BinaryField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class LogIdentity(models.Model):
    """The one row that says which log this is. It goes wherever the log is restored to."""

    ONLY = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=ONLY)
    log_id = models.UUIDField()
    # Another one since each restore that was told of; 1 before the first.
    epoch = models.PositiveIntegerField(default=1, db_default=1)
    # The database that it is in, so that a dump brought to another place is told. Empty: not known.
    place = models.CharField(max_length=200, default="", db_default="")

    class Meta:
        default_permissions = ()
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="eventstore_one_identity"),
        ]

    def __str__(self) -> str:
        return str(self.log_id)


class LogSeal(models.Model):
    """The digest of the log up to a position, as a verification found it whole."""

    position = models.BigIntegerField(unique=True)
    digest = models.CharField(max_length=64)
    events = models.BigIntegerField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.position}:{self.digest}"


class Snapshot(models.Model):
    """The newest snapshot of a stream. A cache: whoever empties the table changes no result."""

    stream_id = models.UUIDField(primary_key=True)
    stream_type = models.CharField(max_length=STREAM_TYPE_LENGTH)
    version = models.PositiveIntegerField()
    schema = models.PositiveSmallIntegerField()
    state = models.TextField()
    # Of the event at `version`, which the log must have exactly so.
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    hash = models.BinaryField()
    # Under a key that this database does not hold. NULL is that of no snapshot.
    mac = models.BinaryField(null=True)
    taken_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.stream_type} {self.stream_id}/{self.version}"


class Checkpoint(models.Model):
    """How far a projection, or a relay to a broker, has handled the log, and by which schema."""

    projection = models.CharField(max_length=PROJECTION_LENGTH, primary_key=True)
    # Of an event at or below the settled position; 0 before the first.
    position = models.BigIntegerField(default=0)
    # That event's, by which a log that was restored is told. NULL before the first event, and
    # where the checkpoint is from before hashes were kept, until it moves.
    hash = models.BinaryField(null=True)
    schema = models.PositiveSmallIntegerField()
    # The heartbeat of whoever follows the log, also while there is nothing to do.
    seen_at = models.DateTimeField(null=True)
    # Why it gets no further; empty where nothing is in its way.
    blocked_by = models.CharField(max_length=LONGEST_OBSTACLE, default="")
    # Of the log, when this was begun: what is of an earlier one may tell of events that are gone.
    epoch = models.PositiveIntegerField(default=1, db_default=1)
    # The highest position that came in a message, and by what that one is known again. Lower ones
    # may be missing.
    received = models.BigIntegerField(default=0)
    received_as = models.UUIDField(null=True)
    # Another event came at that position: nothing is applied before the log's next epoch.
    forked = models.BooleanField(default=False, db_default=False)
    # What it waits before until newer code runs; empty where it does not.
    waits_for = models.CharField(max_length=LONGEST_OBSTACLE, default="", db_default="")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.projection} at {self.position}"


class Pause(models.Model):
    """A projection, the relay, or all that a group receives, held by an operator."""

    name = models.CharField(max_length=LONGEST_PAUSED, primary_key=True)
    reason = models.CharField(max_length=LONGEST_OBSTACLE)
    since = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name} since {self.since}"


class ParkedStream(models.Model):
    """A stream that a projection failed on: what comes behind the event waits in the log."""

    projection = models.CharField(max_length=PROJECTION_LENGTH)
    stream_id = models.UUIDField()
    version = models.PositiveIntegerField()
    event_type = models.CharField(max_length=EVENT_TYPE_LENGTH)
    # The exception's class and place, never its text, which may quote somebody's data.
    error = models.CharField(max_length=LONGEST_ERROR)
    attempts = models.PositiveIntegerField(default=1)
    parked_at = models.DateTimeField()
    # NULL: not by itself any more.
    retry_at = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ("view",)
        permissions = [("retry_parkedstream", "Can retry and skip parked streams")]
        constraints = [
            models.UniqueConstraint(
                fields=["projection", "stream_id"], name="eventstore_parked_stream"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.projection} {self.stream_id}/{self.version}"


class WaitingMessage(models.Model):
    """A message that a projection cannot apply yet, as it came: out of its turn, or unreadable."""

    projection = models.CharField(max_length=PROJECTION_LENGTH)
    stream_id = models.UUIDField()
    version = models.PositiveIntegerField()
    # It may say something personal, until it is applied or the stream's erasure comes.
    body = models.BinaryField()
    erases = models.BooleanField()
    kept_at = models.DateTimeField()
    # What newer code alone can read of it; empty where nobody has said so.
    waits_for = models.CharField(max_length=LONGEST_OBSTACLE, default="", db_default="")

    class Meta:
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["projection", "stream_id", "version"], name="eventstore_waiting_message"
            ),
        ]
        indexes = [
            models.Index(fields=["projection", "kept_at"], name="eventstore_waiting_since"),
        ]

    def __str__(self) -> str:
        return f"{self.projection} {self.stream_id}/{self.version}"


class StrayMessage(models.Model):
    """A message that does not say which stream it belongs to, as it came."""

    digest = models.CharField(max_length=64, unique=True)
    body = models.BinaryField()
    kept_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.digest


_encode = msgspec.json.Encoder(order="sorted").encode


class ExactJSONField(models.TextField):  # type: ignore[type-arg]  # not generic at run time
    """JSON kept as text, so that every number comes back as it went in."""

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return None if value is None else _encode(value).decode()

    def value_to_string(self, obj: models.Model) -> Any:
        return self.get_prep_value(self.value_from_object(obj))
