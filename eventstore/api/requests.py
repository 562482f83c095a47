"""What a request says about the command in it: who, for which version, and whether again."""

import re
from uuid import NAMESPACE_OID, UUID, uuid5

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from eventstore.application.commands import CommandContext

_ETAG = re.compile(r'(?:W/)?"(\d{1,9})(?:-\d{1,9})?"')
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,253}[\x21-\x7e])?")


def command_context(request: Request) -> CommandContext:
    """Raises ValidationError for headers that cannot be read."""
    return CommandContext(
        actor=request.user.get_username(),
        door="api",
        allows=request.user.has_perm,
        command_id=_command_id(request),
        expected_version=expected_version(request),
    )


def expected_version(request: Request) -> int | None:
    """The version in `If-Match`: `"7-1"` as a read gave it, `"7"`, or either as a weak tag.

    Gateways that compress make tags weak, so those count too. None where the header is missing
    or `*`, which any version matches.
    """
    header = request.headers.get("If-Match", "*").strip()
    if header == "*":
        return None
    if match := _ETAG.fullmatch(header):
        return int(match[1])
    raise _unreadable("If-Match", 'It is the ETag of a read, such as "7-1", or a version: "7".')


def etag(version: int, schema: int) -> str:
    return f'"{version}-{schema}"'


def matches(request: Request, tag: str) -> bool:
    """Whether `If-None-Match` names this tag, so that there is nothing new to send."""
    header = request.headers.get("If-None-Match", "")
    tags = [given.strip().removeprefix("W/") for given in header.split(",")]
    return "*" in tags or tag in tags


def _command_id(request: Request) -> UUID | None:
    """Derived from the key for each user apart: nobody meets another's commands."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise _unreadable("Idempotency-Key", "It is 1 to 255 printable ASCII characters.")
    return uuid5(uuid5(NAMESPACE_OID, f"user {request.user.pk}"), key)


def _unreadable(header: str, detail: str) -> ValidationError:
    return ValidationError({header: [detail]}, code="unreadable_header")
