"""What a request says about the command in it: who, for which version, and whether again."""

import re
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from eventstore.application.commands import CommandContext

ETAG = re.compile(r'(?:W/)?"([0-9]{1,9})(?:-[0-9]{1,9})?"')
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
NAME = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,148}[\x21-\x7e])?")


class PreconditionRequired(APIException):
    status_code = 428
    default_code = "precondition_required"
    default_detail = "Say in If-Match which version this was decided on: the ETag of a read, or *."


class LengthRequired(APIException):
    status_code = 411
    default_code = "length_required"
    default_detail = "Send the body with its Content-Length, not in chunks."


def body_of(request: Request) -> Any:
    """What was sent; an empty object where nothing was.

    Raises LengthRequired for a body in chunks, which Django would take for none at all.
    """
    if "Transfer-Encoding" in request.headers:
        raise LengthRequired
    return request.data


def command_context(request: Request) -> CommandContext:
    """Raises ValidationError for headers that cannot be read."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise _unreadable("Idempotency-Key", "It is 1 to 255 printable ASCII characters.")
    name = request.headers.get("On-Behalf-Of")
    if name is not None and not NAME.fullmatch(name):
        raise _unreadable("On-Behalf-Of", "It is 1 to 150 printable ASCII characters.")
    return CommandContext(
        actor=request.user.get_username(),
        door="api",
        allows=request.user.has_perm,
        on_behalf_of=name,
        command_id=None if key is None else command_id_of(request, key),
        expected_version=expected_version(request),
        extra=_request_id(request),
    )


def expected_version(request: Request) -> int | None:
    """The version in `If-Match`: `"7-1"` as a read gave it, `"7"`, or either as a weak tag.

    Gateways that compress make tags weak, so those count too. None where the header is missing
    or `*`, which any version matches.
    """
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    if match := ETAG.fullmatch(header):
        return int(match[1])
    raise _unreadable("If-Match", 'It is the ETag of a read, such as "7-1", or a version: "7".')


def etag(version: int, schema: int) -> str:
    return f'"{version}-{schema}"'


def matches(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names this tag, so that there is nothing new to send."""
    header = request.headers.get("If-None-Match", "")
    tags = [given.strip().removeprefix("W/") for given in header.split(",")]
    return "*" in tags or tag in tags


def id_in_path(text: str) -> UUID:
    """Raises ValidationError for anything but a UUID's usual form: Python's reads far more."""
    if not _UUID.fullmatch(text):
        raise ValidationError({"id": ["It is not a UUID."]}, code="invalid_id")
    return UUID(text)


def _request_id(request: Request) -> dict[str, str]:
    """What the project's logs call this request, where a middleware has given it a name."""
    id = getattr(request, "request_id", None)
    return {"request_id": id} if id else {}


def command_id_of(request: Request, key: str) -> UUID:
    """Derived from the key for each user apart: nobody meets another's commands."""
    return uuid5(uuid5(NAMESPACE_OID, f"user {request.user.pk}"), key)


def _unreadable(header: str, detail: str) -> ValidationError:
    return ValidationError({header: [detail]}, code="unreadable_header")
