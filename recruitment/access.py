"""Which calls a token is good for. What its user may do, each view asks besides."""

from typing import Any

from knox.models import AuthToken
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from recruitment.models import Scope, TokenScopes


class MissingScope(PermissionDenied):
    """The code names the scope: `missing_scope_read`, `missing_scope_command` …"""

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            f"This needs a token with the scope {scope}.", code=f"missing_scope_{scope}"
        )


class HasScope(BasePermission):
    """One of the project's default permissions, which every view keeps in front of its own."""

    def has_permission(self, request: Request, view: Any) -> bool:
        scope = scope_of(request, view)
        if isinstance(request.auth, AuthToken):
            limited: TokenScopes | None = getattr(request.auth, "scopes", None)
            if limited is not None and scope not in limited.granted:
                raise MissingScope(scope)
        return True


def scope_of(request: Request, view: Any) -> Scope:
    """What the view states as its `required_scope`; else `read` for what changes nothing."""
    implied = Scope.READ if request.method in SAFE_METHODS else Scope.COMMAND
    return Scope(getattr(view, "required_scope", implied))
