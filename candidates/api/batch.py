"""Many commands in one request, each with a result of its own."""

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import uuid_utils.compat as uuid_utils
from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from candidates.api import examples
from candidates.api.batch_bodies import (
    COMMANDS,
    MOST_COMMANDS,
    ON_EXISTING,
    BatchAnswer,
    BatchBody,
    BatchItem,
    SentBatch,
)
from candidates.api.views import handled
from candidates.application.commands import AddCandidate, AddUnlessKnown, CandidateCommand
from candidates.wiring import (
    candidate_service,
    external_id_turn,
    in_one_transaction,
    require_writable,
)
from eventstore.api import openapi
from eventstore.api.parameters import single_values
from eventstore.api.requests import (
    PreconditionRequired,
    body_of,
    command_context,
    command_id_of,
    id_in_path,
)
from eventstore.application.commands import CommandContext
from eventstore.domain.exceptions import (
    CommandReused,
    DomainError,
    InvalidValue,
    KeyFault,
    NotPermitted,
    UndecodableEvent,
)

logger = logging.getLogger(__name__)

REFUSALS = (DomainError, APIException, KeyFault, UndecodableEvent)
"""Whatever else is raised is nobody's fault but ours."""


class Failed(APIException):
    """One command of a batch, for a reason that nobody foresaw; the others are carried out."""

    default_code = "internal_error"
    default_detail = "Something failed here; it was logged."


class MayCommand(BasePermission):
    """Some command. Which ones, the service says of each."""

    def has_permission(self, request: Request, view: Any) -> bool:
        needed = {command.permission for command, _ in COMMANDS.values()}
        return any(request.user.has_perm(permission) for permission in needed)


class _Refused(Exception):
    """The whole batch, for what is at this place: takes the transaction back."""

    def __init__(self, index: int, error: Exception) -> None:
        self.index = index
        self.error = error


class BatchView(APIView):
    permission_classes = [*APIView.permission_classes, MayCommand]
    http_method_names = ["post"]
    names_candidates = True
    """In the body, so that the answers of a path with an id are possible here too."""

    @extend_schema(
        operation_id="carry_out_commands",
        summary="Carry out many commands",
        tags=["Commands"],
        request=BatchBody,
        responses=examples.answered(BatchAnswer, examples.BATCH_RESULTS, "What became of each."),
        examples=[examples.sent(examples.BATCH)],
        parameters=[openapi.IDEMPOTENCY_KEY, openapi.ON_BEHALF_OF],
    )
    def post(self, request: Request) -> Response:
        """Carries out up to 1,000 commands, one after the other.

        One that is refused does not undo the others, unless `atomic` asks for it: then the first
        refusal is the answer, `index` is its place, and nothing is carried out. An
        Idempotency-Key stands for all of them, and for each that has no key of its own. Sent
        again, whatever was carried out under it has to stand at its place, else it is 422.
        """
        single_values(request, ())
        if "If-Match" in request.headers:
            detail = "It does not apply to many commands: each says its own expected_version."
            raise ValidationError({"If-Match": [detail]}, code="unreadable_header")
        require_writable()
        context = command_context(request)
        batch_id = uuid5(context.command_id, "batch") if context.command_id else uuid_utils.uuid7()
        context = replace(context, correlation_id=batch_id)
        sent = SentBatch(data=body_of(request))
        sent.is_valid(raise_exception=True)
        items = list(enumerate(sent.validated_data["commands"]))
        try:
            if context.command_id:
                self._require_the_same(dict(items), context, context.command_id)
            if sent.validated_data["atomic"]:
                results = in_one_transaction(
                    lambda: [
                        self._result_or_refused(index, item, context) for index, item in items
                    ],
                    streams=_named(item for _, item in items),
                    names=_looked_for(item for _, item in items),
                )
            else:
                results = [self._result_or_problem(index, item, context) for index, item in items]
        except _Refused as refused:
            answer = self._problem(_under(refused.error, str(refused.index), "commands"))
            answer.data["index"] = refused.index
            return answer
        return Response(BatchAnswer({"correlation_id": batch_id, "results": results}).data)

    def _result_or_refused(self, index: int, item: Any, context: CommandContext) -> dict[str, Any]:
        try:
            return self._result(index, item, context)
        except REFUSALS as error:
            raise _Refused(index, error) from error

    def _result_or_problem(self, index: int, item: Any, context: CommandContext) -> dict[str, Any]:
        try:
            return self._result(index, item, context)
        except Exception as error:  # logged, and what others did stands
            if not isinstance(error, REFUSALS):
                logger.exception("Command %d of a batch failed", index)
                error = Failed()
            # The translation prepares the request for a problem; the batch is answered as JSON.
            accepted = self.request.accepted_renderer, self.request.accepted_media_type
            answer = self._problem(error)
            self.request.accepted_renderer, self.request.accepted_media_type = accepted
            return {"status": answer.status_code, "problem": answer.data}

    def _problem(self, error: Exception) -> Response:
        """What the command's own path would answer."""
        answer: Response = self.get_exception_handler()(error, self.get_exception_handler_context())
        answer.exception = True
        return answer

    def _result(self, index: int, item: Any, context: CommandContext) -> dict[str, Any]:
        """Raises what the command's own path answers with; its pointers start at the item."""
        command, terms = self._understood(index, item, context)
        required = None
        if settings.REQUIRE_IF_MATCH and terms.expected_version is None:
            required = PreconditionRequired("Say in expected_version what this rests on.")
        adding = isinstance(command, (AddCandidate, AddUnlessKnown))
        try:
            done = handled(command, terms, required=None if adding else required)
        except InvalidValue as error:
            raise _under(error, "body") from error
        added = adding and bool(done.events)
        return {"status": 201 if added else 200, "result": done, "replayed": done.repeated}

    def _understood(
        self, index: int, item: Any, context: CommandContext
    ) -> tuple[CandidateCommand, CommandContext]:
        """The command in an item, and its terms. Raises ValidationError."""
        sent = BatchItem(data=item)
        sent.is_valid(raise_exception=True)
        said = sent.validated_data
        command, body = COMMANDS[said["command"]]
        if ON_EXISTING in said:
            command = AddUnlessKnown
        content = body(data=said.get("body", {}))
        try:
            content.is_valid(raise_exception=True)
        except ValidationError as error:
            raise _under(error, "body") from error
        fields = {**content.validated_data}
        key = said.get("idempotency_key")
        terms = replace(
            context,
            command_id=self._command_id(index, key, context),
            expected_version=said.get("expected_version"),
            occurred_at=fields.pop("occurred_at", None),
        )
        if said["command"] != "add":
            fields["candidate_id"] = said["candidate_id"]
        return command(**fields), terms

    def _command_id(self, index: int, key: str | None, context: CommandContext) -> UUID | None:
        if key is not None:
            return command_id_of(self.request, key)
        return _id_at(index, context.command_id) if context.command_id else None

    def _require_the_same(
        self, items: Mapping[int, Any], context: CommandContext, batch: UUID
    ) -> None:
        """Raises _Refused where something else was carried out under the batch's key."""
        places = {_id_at(index, batch): index for index in range(MOST_COMMANDS)}
        for command_id in sorted(candidate_service().carried_out(places), key=places.__getitem__):
            index = places[command_id]
            try:
                command, terms = self._understood(index, items[index], context)
                same = terms.command_id == command_id and bool(
                    candidate_service().repeated(command, terms)
                )
            except (KeyFault, NotPermitted, UndecodableEvent):
                # What it says is another question; its result will be the refusal.
                continue
            except (KeyError, ValidationError, DomainError):
                same = False
            if not same:
                raise _Refused(index, CommandReused(command_id=command_id))


def _id_at(index: int, batch: UUID) -> UUID:
    """Of the command at this place of a batch that has a key."""
    return uuid5(batch, f"command {index}")


def _named(items: Iterable[Any]) -> set[UUID]:
    """The candidates that are spoken of; what cannot be read is refused in its turn."""
    found = set[UUID]()
    for item in items:
        with suppress(TypeError, KeyError, ValidationError):
            found.add(id_in_path(item["candidate_id"]))
    return found


def _looked_for(items: Iterable[Any]) -> set[str]:
    """The turns that `on_existing` waits for; what cannot be read is refused in its turn."""
    found = set[str]()
    for item in items:
        with suppress(TypeError, KeyError, AttributeError, UnicodeError):
            if ON_EXISTING in item:
                found.add(external_id_turn(item["body"]["profile"]))
    return found


def _under(error: Exception, *keys: str) -> Exception:
    """The error with its pointers that much further from the root, the innermost key first."""
    for key in keys:
        match error:
            case ValidationError():
                error = ValidationError({key: error.detail})
            case InvalidValue():
                error = error.under(key)
    return error
