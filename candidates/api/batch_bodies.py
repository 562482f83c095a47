"""What a batch takes and gives: as it is read, and as the OpenAPI document describes it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import PolymorphicProxySerializer, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from candidates.api import serializers as bodies
from candidates.application import commands
from eventstore.api.fields import (
    JSONObject,
    StrictBoolean,
    StrictChoice,
    StrictInteger,
    StrictSerializer,
    StrictText,
)
from eventstore.api.moments import MOST_VERSIONS
from eventstore.api.requests import KEY, id_in_path

MOST_COMMANDS = 1000
ON_EXISTING, EXTERNAL_ID = "on_existing", "external_id"
"""A parameter for adding a candidate, and its only value."""
_KEY_HELP = "What Idempotency-Key says to the command's own path."
_VERSION_HELP = "What If-Match says to the command's own path."
_ON_EXISTING_HELP = "What the parameter of that name says to the path of adding."
COMMANDS: Mapping[str, tuple[type[commands.CandidateCommand], type[bodies.CommandBody]]] = {
    "add": (commands.AddCandidate, bodies.AddBody),
    "standby": (commands.MoveCandidateToStandby, bodies.StandbyBody),
    "invite": (commands.InviteCandidate, bodies.InviteBody),
    "reject": (commands.RejectCandidate, bodies.RejectBody),
    "undo": (commands.UndoDecision, bodies.UndoBody),
    "rescore": (commands.RescoreCandidate, bodies.RescoreBody),
    "profile": (commands.ChangeProfile, bodies.ProfileBody),
    "patch_profile": (commands.AmendProfile, bodies.ProfilePatchBody),
    "note": (commands.NoteOnCandidate, bodies.NoteBody),
    "retract": (commands.RetractCandidate, bodies.RetractBody),
}


class BatchItem(StrictSerializer):
    command = StrictChoice(choices=[(name, name) for name in COMMANDS])
    candidate_id = StrictText(required=False)
    body = JSONObject(required=False)
    on_existing = StrictChoice(choices=[(EXTERNAL_ID, EXTERNAL_ID)], required=False)
    expected_version = StrictInteger(
        required=False,
        min_value=1,
        max_value=MOST_VERSIONS,
    )
    idempotency_key = StrictText(required=False)

    def validate_candidate_id(self, value: str) -> UUID:
        try:
            return id_in_path(value)
        except ValidationError as error:
            raise serializers.ValidationError("It is not a UUID.", code="invalid_id") from error

    def validate_idempotency_key(self, value: str) -> str:
        if not KEY.fullmatch(value):
            detail = "It is 1 to 255 printable ASCII characters."
            raise serializers.ValidationError(detail, code="invalid")
        return value

    def validate(self, attrs: Any) -> Any:
        adding = attrs["command"] == "add"
        if not adding and "candidate_id" not in attrs:
            missing = serializers.ErrorDetail("This field is required.", code="required")
            raise serializers.ValidationError({"candidate_id": [missing]})
        for name in ("candidate_id", "expected_version"):
            if adding and name in attrs:
                detail = "It does not apply to a candidate that is only being added."
                raise serializers.ValidationError({name: [detail]})
        if not adding and ON_EXISTING in attrs:
            detail = "It applies to a candidate that is being added."
            raise serializers.ValidationError({ON_EXISTING: [detail]})
        return attrs


class Anything(serializers.Field[Any, Any, Any, Any]):
    """An item that is no command has a result of its own, which says so."""

    def to_internal_value(self, data: Any) -> Any:
        return data


class SentCommands(serializers.ListField):
    """However many there are, none is looked at before they are counted."""

    def run_child_validation(self, data: Any) -> Any:
        return data


class SentBatch(StrictSerializer):
    commands: serializers.ListField = SentCommands(
        child=Anything(allow_null=True), allow_empty=False, max_length=MOST_COMMANDS
    )
    atomic = StrictBoolean(
        default=False, help_text="Carry out all of them or, where one is refused, none."
    )


@extend_schema_field(OpenApiTypes.UUID)
class CandidateId(StrictText):
    pass


@extend_schema_field({"type": "string", "pattern": f"^{KEY.pattern}$"})
class IdempotencyKey(StrictText):
    pass


@extend_schema_field({"type": "string", "const": EXTERNAL_ID})
class OnExisting(StrictText):
    pass


def _described(name: str, body: type[bodies.CommandBody]) -> type[StrictSerializer]:
    """A `BatchItem` of one command, as the OpenAPI document shows it."""
    command = extend_schema_field({"type": "string", "const": name})(
        type("Command", (StrictText,), {})
    )
    needed = any(field.required for field in body().fields.values())
    fields: dict[str, serializers.Field[Any, Any, Any, Any]] = {
        "command": command(),
        "body": body(required=needed),
        "idempotency_key": IdempotencyKey(required=False, help_text=_KEY_HELP),
    }
    if name == "add":
        fields[ON_EXISTING] = OnExisting(required=False, help_text=_ON_EXISTING_HELP)
    else:
        fields["candidate_id"] = CandidateId()
        fields["expected_version"] = StrictInteger(
            required=False, min_value=1, max_value=MOST_VERSIONS, help_text=_VERSION_HELP
        )
    title = name.title().replace("_", "")
    return type(f"{title}Command", (StrictSerializer,), fields)


class BatchBody(SentBatch):
    # For the OpenAPI document: an item that is wrong must not refuse the others.
    commands = serializers.ListField(
        child=PolymorphicProxySerializer(
            component_name="BatchItem",
            serializers={name: _described(name, body) for name, (_, body) in COMMANDS.items()},
            resource_type_field_name="command",
        ),
        allow_empty=False,
        max_length=MOST_COMMANDS,
    )


@extend_schema_field({"$ref": "#/components/schemas/CommandProblem"})
class Problem(serializers.DictField):
    pass


class BatchResult(serializers.Serializer[Any]):
    status = serializers.IntegerField(help_text="As the command's own path would answer.")
    result = bodies.CommandResultSerializer(required=False)
    replayed = serializers.BooleanField(
        required=False, help_text="Whether the key was used before: it is the first answer again."
    )
    problem = Problem(required=False, help_text="Where it was refused.")


class BatchAnswer(serializers.Serializer[Any]):
    correlation_id = serializers.UUIDField(help_text="The batch, in the metadata of every event.")
    results = BatchResult(many=True, help_text="One for each command, in the same order.")
