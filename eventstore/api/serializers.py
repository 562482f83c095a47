"""How the OpenAPI document describes the feed's answer; `message.py` makes what is in it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from eventstore.api.fields import JSONObject, UTCDateTimeField
from eventstore.api.openapi import EVENT_TYPE


class EventMetadataSerializer(serializers.Serializer[Any]):
    actor = serializers.CharField()
    on_behalf_of = serializers.CharField(allow_null=True)
    door = serializers.CharField()


class EventContentSerializer(serializers.Serializer[Any]):
    event = JSONObject(help_text="The event's own fields, in today's schema.")
    metadata = EventMetadataSerializer()


@extend_schema_field(EVENT_TYPE)
class EventTypeField(serializers.CharField):
    pass


@extend_schema_field({"type": "string", "const": "1.0"})
class _Version(serializers.CharField):
    pass


class CloudEventSerializer(serializers.Serializer[Any]):
    """CloudEvents 1.0, structured JSON."""

    specversion = _Version()
    id = serializers.UUIDField(help_text="Unique within `source`, also across repeats.")
    source = serializers.CharField(  # type: ignore[assignment]  # a field, not where it comes from
        help_text="The log, by its own id: `urn:uuid:…`."
    )
    type = EventTypeField()
    subject = serializers.UUIDField(help_text="The stream: for candidates, the candidate's id.")
    time = UTCDateTimeField(help_text="When the log took it in.")
    partitionkey = serializers.UUIDField(help_text="The stream once more.")
    sequence = serializers.CharField(help_text="The version, in ten digits: the stream's order.")
    logposition = serializers.CharField(help_text="The log's order.")
    logepoch = serializers.IntegerField(
        help_text="Another one after each restore of the log from a backup: see `next`."
    )
    streamtype = serializers.CharField()
    occurredat = UTCDateTimeField(help_text="Business time.")
    schemaversion = serializers.IntegerField(help_text="Of `type`.")
    correlationid = serializers.UUIDField(required=False, help_text="Of a batch.")
    causationid = serializers.UUIDField(required=False, help_text="The id of the command.")
    data = EventContentSerializer()  # type: ignore[assignment]  # a field, not what was sent


class FeedSerializer(serializers.Serializer[Any]):
    next = serializers.URLField(
        help_text="Where to go on, now or later. It names the last event that was given: a log "
        "that was restored from a backup and does not hold it answers 409."
    )
    results = CloudEventSerializer(many=True)


EXAMPLE = {
    "next": "https://tracker.example.org/api/v1/events/?after=10391.1."
    "7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26",
    "results": [
        {
            "specversion": "1.0",
            "id": "0190a000-0000-7000-8000-000000000004",
            "source": "urn:uuid:5b1c7a0e-93d4-4a52-8f5e-6f0e6f0d2c1b",
            "type": "candidate.invited",
            "subject": "0190a000-0000-7000-8000-000000000001",
            "time": "2026-03-01T12:00:07.120053Z",
            "partitionkey": "0190a000-0000-7000-8000-000000000001",
            "sequence": "0000000003",
            "logposition": "10391",
            "logepoch": 1,
            "streamtype": "candidate",
            "occurredat": "2026-03-01T12:00:07.120053Z",
            "schemaversion": 1,
            "causationid": "7c9e6679-7425-50de-944b-e07fc1f90ae7",
            "data": {
                "event": {"score": 81.5, "threshold": 75.0},
                "metadata": {"actor": "rita", "on_behalf_of": None, "door": "api"},
            },
        }
    ],
}
"""Of an answer, for the OpenAPI document."""
