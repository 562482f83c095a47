"""What the API takes and gives. Rules about values live in the domain, not here."""

from datetime import UTC, datetime
from typing import Any

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from candidates.domain.events import RejectionReason, Status
from candidates.domain.values import PROFILE_BYTES, PROFILE_DEPTH, TEXT_LENGTH
from candidates.models import CandidateProjection
from candidates.wiring import event_data
from eventstore.api.fields import (
    JSONObject,
    StrictChoice,
    StrictDate,
    StrictDateTime,
    StrictInteger,
    StrictNumber,
    StrictSerializer,
    StrictText,
    UTCDateTimeField,
)
from eventstore.api.serializers import EventTypeField

_STATUSES = [(status.value, status.name) for status in Status]
_REASONS = [(reason.value, reason.name) for reason in RejectionReason]
_PROFILE_HELP = (
    f"Any JSON object, at most {PROFILE_BYTES} bytes and {PROFILE_DEPTH} levels. Known keys, all "
    "optional: name (or first_name, last_name), email, phone (or lists of them), position, source, "
    "location, tags, resume_url, owner, external_id."
)


_PATCH_HELP = (
    "A JSON Merge Patch (RFC 7396): what is not named stays as it is, null removes a key, objects "
    "are merged key by key, and any other value replaces what was there."
)


@extend_schema_field({"type": "number", "format": "double", "minimum": 0, "maximum": 100})
class Score(StrictNumber):
    """Its limits are the domain's rule."""


# White space to Python but not to JavaScript is named, and what shows nothing by itself.
_SHOWN = r"[^\s\x1c-\x1f\x85\xad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]"


@extend_schema_field({"type": "string", "maxLength": TEXT_LENGTH, "pattern": _SHOWN})
class Words(StrictText):
    """Text that says something, which is the domain's rule."""


class CommandBody(StrictSerializer):
    occurred_at = StrictDateTime(
        required=False,
        help_text="When it happened, for who may state that: not in the future, and not before "
        "the candidate's newest event. Without it: now.",
    )


class AddBody(CommandBody):
    profile = JSONObject(help_text=_PROFILE_HELP)
    score = Score()


class StandbyBody(CommandBody):
    until = StrictDate(
        required=False, allow_null=True, default=None, help_text="When the decision falls due."
    )


class InviteBody(CommandBody):
    pass


class RejectBody(CommandBody):
    reason = StrictChoice(choices=_REASONS)
    note = StrictText(required=False, default="", allow_blank=True, max_length=TEXT_LENGTH)

    def validate_reason(self, value: str) -> RejectionReason:
        return RejectionReason(value)


class UndoBody(CommandBody):
    version = StrictInteger(
        min_value=1, max_value=2**31 - 1, help_text="Of the decision to take back: the newest."
    )


class RescoreBody(CommandBody):
    score = Score()
    why = Words(max_length=TEXT_LENGTH)


class ProfileBody(CommandBody):
    profile = JSONObject(help_text="The whole new profile. " + _PROFILE_HELP)


class ProfilePatchBody(CommandBody):
    profile = JSONObject(help_text=_PATCH_HELP)


PROFILE_PATCH = {"type": "object", "additionalProperties": {}, "description": _PATCH_HELP}
"""The body of a PATCH, for the OpenAPI document: the patch and nothing around it."""


class NoteBody(CommandBody):
    text = Words(max_length=TEXT_LENGTH)


class RetractBody(CommandBody):
    why = Words(max_length=TEXT_LENGTH)


class RecordedEventSerializer(serializers.Serializer[Any]):
    """An event as a command's answer names it."""

    event_id = serializers.UUIDField()
    event_type = EventTypeField(source="event.event_type")
    version = serializers.IntegerField()


class CommandResultSerializer(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="candidate_id")
    version = serializers.IntegerField()
    status = serializers.ChoiceField(choices=_STATUSES)
    events = RecordedEventSerializer(many=True)
    position = serializers.IntegerField()


class HistoryEventSerializer(RecordedEventSerializer):
    """An event with everything that is known about it, in today's schema."""

    schema_version = serializers.IntegerField(source="event.schema_version")
    position = serializers.IntegerField()
    occurred_at = UTCDateTimeField(help_text="Business time.")
    recorded_at = UTCDateTimeField(help_text="When the log took it in.")
    actor = serializers.CharField(source="metadata.actor")
    on_behalf_of = serializers.CharField(source="metadata.on_behalf_of", allow_null=True)
    door = serializers.CharField(source="metadata.door")
    causation_id = serializers.UUIDField(source="metadata.causation_id", allow_null=True)
    correlation_id = serializers.UUIDField(allow_null=True)
    data = serializers.SerializerMethodField(  # type: ignore[assignment]  # a field, not the result
        help_text="The event's own fields, in today's schema."
    )

    def get_data(self, recorded: Any) -> dict[str, Any]:
        return event_data(recorded.event)


class HistorySerializer(serializers.Serializer[Any]):
    next = serializers.URLField(allow_null=True)
    results = HistoryEventSerializer(many=True)


@extend_schema_field({"$ref": "#/components/schemas/RejectionReasonOrEmpty"})
class ReasonOrNone(serializers.CharField):
    pass


class CandidateSerializer(serializers.ModelSerializer[CandidateProjection]):
    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UTCDateTimeField,
    }
    status = serializers.ChoiceField(choices=_STATUSES)
    profile = serializers.DictField(help_text="Exactly as it was sent.")
    rejection_reason = ReasonOrNone()

    class Meta:
        model = CandidateProjection
        fields = [
            "id",
            "version",
            "status",
            "status_since",
            "score",
            "profile",
            "added_at",
            "standby_at",
            "due_on",
            "invited_at",
            "rejected_at",
            "rejection_reason",
            "rejection_note",
            "changed_at",
            "changed_by",
            "position",
        ]
        read_only_fields = fields

    def to_representation(self, candidate: CandidateProjection) -> dict[str, Any]:
        """Returns the same as the serializer's fields would, in a tenth of the time."""
        return {
            "id": str(candidate.id),
            "version": candidate.version,
            "status": candidate.status,
            "status_since": _in_utc(candidate.status_since),
            "score": candidate.score,
            "profile": candidate.profile,
            "added_at": _in_utc(candidate.added_at),
            "standby_at": _in_utc(candidate.standby_at),
            "due_on": candidate.due_on and candidate.due_on.isoformat(),
            "invited_at": _in_utc(candidate.invited_at),
            "rejected_at": _in_utc(candidate.rejected_at),
            "rejection_reason": candidate.rejection_reason,
            "rejection_note": candidate.rejection_note,
            "changed_at": _in_utc(candidate.changed_at),
            "changed_by": candidate.changed_by,
            "position": candidate.position,
        }


def _in_utc(instant: datetime | None) -> str | None:
    if instant is None:
        return None
    return instant.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
