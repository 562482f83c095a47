"""What a request says about the command in it: who, for which version, and whether again."""

import re
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from django.http import HttpRequest
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.request import Request

from eventstore.api.entity_tags import ANY, entity_tags, same, versions_in
from eventstore.application.commands import CommandContext

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")
NAME = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,148}[\x21-\x7e])?")


class PreconditionRequired(APIException):
    status_code = 428
    default_code = "precondition_required"
    default_detail = "Say in If-Match which version this was decided on: the ETag of a read, or *."


class PreconditionFailed(APIException):
    status_code = 412
    default_code = "precondition_failed"
    default_detail = "What is read here is not at a version that If-Match names."


class UnsupportedContentEncoding(APIException):
    status_code = 415
    default_code = "unsupported_content_encoding"
    default_detail = "Send the body as it is: it is not decompressed here."
    headers = {"Accept-Encoding": "identity"}


class LengthRequired(APIException):
    status_code = 411
    default_code = "length_required"
    default_detail = "Send the body with its Content-Length, not in chunks."


def body_of(request: Request) -> Any:
    """What was sent; an empty object where nothing was.

    Raises UnsupportedContentEncoding, and LengthRequired for a body in chunks, which Django would
    take for none at all.
    """
    codings = request.headers.get("Content-Encoding", "").lower().split(",")
    if {coding.strip() for coding in codings} - {"", "identity"}:
        raise UnsupportedContentEncoding
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


def expected_version(request: Request) -> int | frozenset[int] | None:
    """The version in `If-Match`, or those of a list; see `versions_in`. Raises ValidationError.

    None where the header is missing or `*`, which any version matches. Tags that state no version
    are of something else: a list of nothing else is empty, which no version matches.
    """
    tags = if_match(request)
    if tags == [ANY]:
        return None
    versions = versions_in(tags)
    return next(iter(versions)) if len(versions) == 1 else versions


def is_unchanged(request: Request, *, version: int | None, tag: str = "") -> bool:
    """Whether a read need not be answered anew, since `If-None-Match` names the tag.

    Raises PreconditionFailed where `If-Match` names another version, and ValidationError. Nothing
    but `*` matches a version of None: of what has no tag.
    """
    tags = if_match(request)
    if tags != [ANY] and version not in versions_in(tags):
        raise PreconditionFailed
    try:
        return bool(tag) and same(tag, entity_tags(request.headers.get("If-None-Match", "")))
    except ValueError:
        return False


def if_match(request: Request | HttpRequest) -> list[str]:
    """The tags, `[ANY]` where the header is missing. Raises ValidationError."""
    try:
        return entity_tags(request.headers.get("If-Match", ANY))
    except ValueError:
        detail = 'It is * or a list of entity tags: of a read, such as "7-1", or a version: "7".'
        raise _unreadable("If-Match", detail) from None


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
