"""The REST door: builds a command, hands it to the service, answers with what was done."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from candidates.api import examples
from candidates.api import serializers as bodies
from candidates.api.batch_bodies import EXTERNAL_ID, ON_EXISTING
from candidates.api.filters import CandidateFilter
from candidates.api.history import HISTORY_PAGE, history_page
from candidates.api.pagination import CandidatePagination
from candidates.application import commands
from candidates.application.commands import CandidateCommand, OnOneCandidate
from candidates.application.projector import SCHEMA
from candidates.application.service import CommandResult
from candidates.domain.candidate import Candidate
from candidates.models import CandidateProjection
from candidates.wiring import candidate_at, candidate_service, history
from eventstore.api import openapi
from eventstore.api.entity_tags import etag
from eventstore.api.moments import PAST, moment_of
from eventstore.api.parameters import single_values
from eventstore.api.parsers import MergePatchParser, StrictJSONParser
from eventstore.api.requests import (
    PreconditionRequired,
    body_of,
    command_context,
    id_in_path,
    is_unchanged,
)
from eventstore.application.commands import CommandContext
from eventstore.domain.exceptions import AggregateNotFound, InvalidValue, StaleVersion

READ = "candidates.view_candidateprojection"
PATCHES: Sequence[type[BaseParser]] = (MergePatchParser, StrictJSONParser)
"""Parsers for PATCH. A JSON body is merged under either media type."""


class MayUseAction(BasePermission):
    """Asked before the body is read or the id looked up: who may not learns nothing of either."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = view.command.permission if view.command else READ
        return bool(request.user.has_perm(needed))


def _post(
    name: str,
    body: type[serializers.Serializer[Any]],
    command: type[OnOneCandidate],
    summary: str,
    description: str,
) -> Callable[..., Response]:
    """A route that hands the fields of the body to a command on one candidate."""

    def view(self: "CandidateViewSet", request: Request, id: str) -> Response:
        return self.carry_out(lambda **fields: command(candidate_id=id_in_path(id), **fields), body)

    view.__name__ = name
    described = extend_schema(
        operation_id=openapi.operation_of(command),
        summary=summary,
        description=description,
        tags=["Commands"],
        request=body,
        responses=examples.answered(
            bodies.CommandResultSerializer, examples.RESULTS[name], "What was done."
        ),
        examples=[examples.sent(examples.BODIES[name])],
        parameters=[openapi.ID, openapi.IF_MATCH, *openapi.COMMAND],
    )
    route = action(detail=True, methods=["post"], url_path=name, command=command)
    return described(route(view))


class CandidateViewSet(mixins.ListModelMixin, viewsets.GenericViewSet[CandidateProjection]):
    """Reads come from the projection, writes go to the service."""

    # Only the columns that are served, and `added_position`, by which a list may be ordered.
    queryset = CandidateProjection.objects.only(
        *bodies.CandidateSerializer.Meta.fields, "added_position"
    )
    serializer_class = bodies.CandidateSerializer
    permission_classes = [*APIView.permission_classes, MayUseAction]
    filter_backends = [DjangoFilterBackend]
    filterset_class = CandidateFilter
    pagination_class = CandidatePagination
    lookup_field = "id"
    lookup_value_regex = "[^/]+"
    # Not OPTIONS: DRF's answer would describe a candidate as what a command takes.
    http_method_names = ["get", "head", "post", "patch"]
    command: type[CandidateCommand] | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.action == "create":
            self.command = commands.AddCandidate
        super().initial(request, *args, **kwargs)
        # `action` is None for a method that is not allowed: the answer is 405, not an error about
        # parameters.
        if self.action not in (None, "list", "retrieve", "history", "create"):
            single_values(request, ())

    def get_parsers(self) -> list[BaseParser]:
        patching = getattr(self.request, "method", None) == "PATCH"
        return [parser() for parser in PATCHES] if patching else super().get_parsers()

    def finalize_response(self, *args: Any, **kwargs: Any) -> Response:
        response: Response = super().finalize_response(*args, **kwargs)
        if "patch" in getattr(self, "action_map", {}):
            response["Accept-Patch"] = ", ".join(parser.media_type for parser in PATCHES)
        return response

    @extend_schema(
        operation_id="list_candidates",
        summary="List candidates",
        tags=["Candidates"],
        responses=examples.answered(
            bodies.CandidateSerializer(many=True), examples.CANDIDATE, "A page."
        ),
    )
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The newest first, unless another order is asked for or follows from the filters.

        Follow `next` and you see every candidate once, however many are added meanwhile. Retracted
        candidates are listed under their own status, and with `changed_after`.
        """
        return super().list(request, *args, **kwargs)

    @extend_schema(
        operation_id=openapi.operation_of(commands.AddCandidate),
        summary="Add a candidate",
        tags=["Commands"],
        request=bodies.AddBody,
        responses={
            200: examples.answered(
                bodies.CommandResultSerializer,
                examples.KNOWN,
                "There is a candidate with this external id: nothing was added.",
            ),
            201: examples.answered(
                bodies.CommandResultSerializer, examples.RESULTS["add"], "The candidate is added."
            ),
        },
        examples=[examples.sent(examples.BODIES["add"])],
        parameters=[
            OpenApiParameter(
                ON_EXISTING,
                {"type": "string", "enum": [EXTERNAL_ID]},
                description="`external_id`: add nobody where a candidate has the profile's "
                "`external_id`, but answer with the oldest that is neither retracted nor erased.",
            ),
            *openapi.COMMAND,
            openapi.LOCATION,
        ],
    )
    def create(self, request: Request) -> Response:
        """Stores a profile and a score. The candidate is ADDED, and `Location` leads to it.

        With `on_existing` a candidate who is there is answered with, and nobody is added.
        """
        given = single_values(request, (ON_EXISTING,))
        if given.get(ON_EXISTING, EXTERNAL_ID) != EXTERNAL_ID:
            detail = f"It is {EXTERNAL_ID}."
            raise ValidationError({ON_EXISTING: [detail]}, code="invalid_choice")
        if "If-Match" in request.headers:
            detail = "It does not apply to a candidate that is only being added."
            raise ValidationError({"If-Match": [detail]}, code="unreadable_header")
        command = commands.AddUnlessKnown if given else commands.AddCandidate
        response = self.carry_out(command, bodies.AddBody, status=201)
        response["Location"] = reverse(
            "candidate-detail", args=[response.data["id"]], request=request
        )
        return response

    @extend_schema(
        operation_id="read_candidate",
        summary="Read a candidate, as of now or of then",
        tags=["Candidates"],
        responses={
            200: examples.answered(
                bodies.CandidateSerializer, examples.CANDIDATE, "The candidate, as asked for."
            ),
            304: OpenApiResponse(description="Nothing has changed since."),
        },
        parameters=[
            openapi.ID,
            *PAST,
            openapi.IF_MATCH_READ,
            openapi.IF_NONE_MATCH,
            openapi.ETAG,
        ],
    )
    def retrieve(self, request: Request, id: str) -> Response:
        """One candidate as the newest decisions left it, retracted ones too.

        With one of `as_of`, `known_at` and `version` as it was then, in the same shape and without
        an ETag: an erasure changes the past too, and no decision rests on it.
        """
        moment, candidate_id = moment_of(request), id_in_path(id)
        if moment is not None:
            is_unchanged(request, version=None)
            return Response(self.get_serializer(candidate_at(candidate_id, moment)).data)
        candidate = self.queryset.filter(pk=candidate_id).first()
        if candidate is None:
            raise AggregateNotFound(stream_type=Candidate.stream_type, stream_id=candidate_id)
        tag = etag(candidate.version, SCHEMA)
        if is_unchanged(request, version=candidate.version, tag=tag):
            return Response(status=304, headers={"ETag": tag})
        return Response(self.get_serializer(candidate).data, headers={"ETag": tag})

    @extend_schema(
        operation_id="read_candidate_history",
        summary="Read the events of a candidate",
        tags=["Candidates"],
        responses=examples.answered(
            bodies.HistorySerializer, examples.HISTORY, "What happened to the candidate."
        ),
        parameters=[openapi.ID, *HISTORY_PAGE],
    )
    @action(detail=True, filter_backends=[], pagination_class=None)
    def history(self, request: Request, id: str) -> Response:
        """Every event of one candidate, the oldest first, in today's schema.

        What was decided carries the reason, the score and the threshold of its day. Events are
        never changed, so a page that was full is the same for ever, but for what is erased.
        """
        after, size = history_page(request)
        # One more, to know whether there is another page.
        recorded = history(id_in_path(id), after=after, until=after + size + 1)
        page, more = recorded[:size], recorded[size:]
        following = None
        if more:
            following = replace_query_param(
                request.build_absolute_uri(), "cursor", str(page[-1].version)
            )
        return Response(bodies.HistorySerializer({"next": following, "results": page}).data)

    standby = _post(
        "standby",
        bodies.StandbyBody,
        commands.MoveCandidateToStandby,
        "Put a candidate on standby",
        "Puts a candidate who is ADDED on standby.",
    )
    invite = _post(
        "invite",
        bodies.InviteBody,
        commands.InviteCandidate,
        "Invite a candidate",
        "Invites a candidate who is ADDED or on STANDBY and whose score reaches the threshold.",
    )
    reject = _post(
        "reject",
        bodies.RejectBody,
        commands.RejectCandidate,
        "Reject a candidate",
        "Rejects a candidate in any status but REJECTED.",
    )
    undo = _post(
        "undo",
        bodies.UndoBody,
        commands.UndoDecision,
        "Undo the newest decision",
        "Takes back the newest decision: the status returns to what it was before.",
    )
    rescore = _post(
        "rescore",
        bodies.RescoreBody,
        commands.RescoreCandidate,
        "Rescore a candidate",
        "Gives a candidate who is ADDED or on STANDBY another score.",
    )
    profile = _post(
        "profile",
        bodies.ProfileBody,
        commands.ChangeProfile,
        "Replace the profile",
        "Replaces all of the profile: a key that is not sent is gone.",
    )

    @extend_schema(
        operation_id=openapi.operation_of(commands.AmendProfile),
        summary="Patch the profile",
        tags=["Commands"],
        request={
            parser.media_type: {"$ref": "#/components/schemas/ProfilePatch"} for parser in PATCHES
        },
        responses=examples.answered(
            bodies.CommandResultSerializer, examples.RESULTS["patch_profile"], "What was done."
        ),
        examples=[examples.sent(examples.PATCH, parser.media_type) for parser in PATCHES],
        parameters=[openapi.ID, openapi.IF_MATCH, *openapi.COMMAND],
    )
    @profile.mapping.patch  # type: ignore[attr-defined, untyped-decorator]
    def patch_profile(self, request: Request, id: str) -> Response:
        """Merges into the profile as it stands, so two who each set a key of their own keep both.

        Where nothing changes nothing is stored, and `events` is empty.
        """
        patch = body_of(request)
        command = commands.AmendProfile(candidate_id=id_in_path(id), profile=patch)
        try:
            return self.answer(command, command_context(request))
        except InvalidValue as error:
            # The body is the patch itself.
            error.pointer = error.pointer.removeprefix("/profile")
            raise

    note = _post(
        "note",
        bodies.NoteBody,
        commands.NoteOnCandidate,
        "Note something on a candidate",
        "Writes a note into the candidate's history. Nothing else changes.",
    )
    retract = _post(
        "retract",
        bodies.RetractBody,
        commands.RetractCandidate,
        "Retract a candidate",
        "Takes back a mistaken add, for good, while no decision stands.",
    )

    def carry_out(
        self,
        build: Callable[..., CandidateCommand],
        body: type[serializers.Serializer[Any]],
        status: int = 200,
    ) -> Response:
        sent = body(data=body_of(self.request))
        sent.is_valid(raise_exception=True)
        fields = {**sent.validated_data}
        context = replace(
            command_context(self.request), occurred_at=fields.pop("occurred_at", None)
        )
        return self.answer(build(**fields), context, status)

    def answer(
        self, command: CandidateCommand, context: CommandContext, status: int = 200
    ) -> Response:
        """Hands the command to the service. `status` is for what was done; else it is 200."""
        required = None
        if settings.REQUIRE_IF_MATCH and self.detail and "If-Match" not in self.request.headers:
            required = PreconditionRequired()
        result = handled(command, context, required=required)
        headers = {"ETag": etag(result.version, SCHEMA)}
        if result.repeated:
            headers["Idempotent-Replayed"] = "true"
        answer = bodies.CommandResultSerializer(result).data
        return Response(answer, status=status if result.events else 200, headers=headers)


def handled(
    command: CandidateCommand, context: CommandContext, *, required: PreconditionRequired | None
) -> CommandResult:
    """Hands the command to the service. A refusal of a stale version says what readers see.

    Raises `required`, unless the command was carried out before.
    """
    service = candidate_service()
    if required is not None:
        if repeated := service.repeated(command, context):
            return repeated
        raise required
    try:
        return service.handle(command, context)
    except StaleVersion as stale:
        shown = CandidateProjection.objects.filter(pk=stale.stream_id)
        stale.projected_version = shown.values_list("version", flat=True).first()
        raise
