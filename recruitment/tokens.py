"""Issues tokens, the one moment at which a token itself can be seen, and revokes them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from knox.models import get_digest_token
from knox.settings import CONSTANTS

from recruitment.audit import audit
from recruitment.models import ApiToken, Scope, TokenScopes

LATEST_EXPIRY = datetime(9999, 1, 1, tzinfo=UTC)
"""A year from the calendar's edge, so that every time zone can show it."""


@dataclass(eq=False)
class UnusableExpiry(Exception):
    expires: datetime

    def __str__(self) -> str:
        if self.expires >= LATEST_EXPIRY:
            return "A token expires before the year 9999, or never."
        return f"{self.expires.isoformat()} is past: such a token would be good for nothing."


def check_expiry(expires: datetime | None) -> None:
    """Raises UnusableExpiry for what is past, or too late to be shown."""
    if expires is not None and not timezone.now() < expires < LATEST_EXPIRY:
        raise UnusableExpiry(expires)


@transaction.atomic
def issue(
    user: User, *, scopes: Collection[Scope] = (), expires: datetime | None = None
) -> tuple[ApiToken, str]:
    """The row and the token, which cannot be had again. Without scopes it may do what `user` may.

    Raises UnusableExpiry. Knox's own `create` takes a lifetime, which would miss the instant named.
    """
    check_expiry(expires)
    digest, token = get_digest_token()
    issued = ApiToken.objects.model(
        digest=digest,
        token_key=token[: CONSTANTS.TOKEN_KEY_LENGTH],
        user=user,
        expiry=expires,
    )
    issued.save(force_insert=True)
    if scopes:
        TokenScopes.objects.create(token=issued, **{scope: scope in scopes for scope in Scope})
    audit(
        "token_issued",
        user=user.get_username(),
        token=token[:8],
        scopes=",".join(sorted(scopes)) or "all",
        expires=expires.isoformat() if expires else "never",
    )
    return issued, token


@transaction.atomic
def revoke_all(user: User) -> int:
    """Deletes the tokens of this user, and says how many there were."""
    tokens = list(ApiToken.objects.filter(user=user))
    for token in tokens:
        token.delete()
    return len(tokens)
