"""Finds a token with its user, scopes and permissions: one query, made anew for every request."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import psycopg
from django.contrib.auth.models import User
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Model
from knox.models import AuthToken

from recruitment.models import Scope, TokenScopes, TokenUse

_PERMISSIONS = (
    "CASE WHEN NOT account.is_superuser THEN (SELECT CAST({collected}("
    "type.app_label || '.' || permission.codename) AS text) FROM {granted} "
    "JOIN auth_permission permission ON permission.id = given.permission_id "
    "JOIN django_content_type type ON type.id = permission.content_type_id "
    "WHERE {theirs} = account.id) END"
)
_OWN = {"granted": "auth_user_user_permissions given", "theirs": "given.user_id"}
_OF_GROUPS = {
    "granted": "auth_user_groups member "
    "JOIN auth_group_permissions given ON given.group_id = member.group_id",
    "theirs": "member.user_id",
}


def _fields(model: type[Model], *names: str) -> tuple[str, ...]:
    """In the model's order, which `from_db` assumes that values have."""
    return tuple(one.attname for one in model._meta.concrete_fields if one.attname in names)


_USER = _fields(User, "id", "username", "is_active", "is_staff", "is_superuser")
_TOKEN = _fields(AuthToken, "digest", "token_key", "user_id", "expiry")
_SCOPES = _fields(TokenScopes, "token_id", *Scope.values)
_USE = _fields(TokenUse, "token_id", "used_at")


def _columns(table: str, names: Sequence[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in names)


def _statement(collected: str) -> str:
    """`collected` is the database's function that makes a JSON array of a column."""
    own, of_groups = (_PERMISSIONS.format(collected=collected, **of) for of in (_OWN, _OF_GROUPS))
    return (
        "SELECT EXISTS (SELECT 1 FROM knox_authtoken other "  # noqa: S608  # of constants
        "WHERE other.user_id = token.user_id AND other.expiry < %s), "
        f"{own}, {of_groups}, {_columns('token', _TOKEN)}, {_columns('account', _USER)}, "
        f"{_columns('scopes', _SCOPES)}, {_columns('used', _USE)} FROM knox_authtoken token "
        "JOIN auth_user account ON account.id = token.user_id "
        "LEFT JOIN recruitment_tokenscopes scopes ON scopes.token_id = token.digest "
        "LEFT JOIN recruitment_tokenuse used ON used.token_id = token.digest "
        "WHERE token.token_key = %s"
    )


class FoundToken(NamedTuple):
    token: AuthToken
    """With its user, whose permissions are loaded, its scopes and its last use."""
    any_expired: bool
    """Whether this or another token of the same user has expired."""


def tokens_beginning(token_key: str, *, now: datetime) -> list[FoundToken]:
    """The tokens that begin like this, seldom more than one, whatever the rest of them is.

    Of users the e-mail address, names, password's hash and dates are left out: they are loaded
    where something asks for them.
    """
    rows = _FETCH[connection.vendor]([connection.ops.adapt_datetimefield_value(now), token_key])
    return [_found(row) for row in rows]


def _found(row: Sequence[Any]) -> FoundToken:
    any_expired, own, of_groups, *columns = row
    of_token, of_user, of_scopes, of_use = (
        [columns.pop(0) for _ in names] for names in (_TOKEN, _USER, _SCOPES, _USE)
    )
    token = AuthToken.from_db(DEFAULT_DB_ALIAS, _TOKEN, of_token)
    token.expiry = _in_utc(token.expiry)
    user = User.from_db(DEFAULT_DB_ALIAS, _USER, of_user)
    if not user.is_superuser:
        # Where Django's ModelBackend keeps what it has loaded for this user object.
        user._user_perm_cache = set(json.loads(own or "[]"))  # type: ignore[attr-defined]
        user._group_perm_cache = set(json.loads(of_groups or "[]"))  # type: ignore[attr-defined]
    token.user = user
    scopes = TokenScopes.from_db(DEFAULT_DB_ALIAS, _SCOPES, of_scopes) if of_scopes[0] else None
    AuthToken._meta.get_field("scopes").set_cached_value(token, scopes)
    use = TokenUse(of_use[0], _in_utc(of_use[1])) if of_use[0] else None
    AuthToken._meta.get_field("use").set_cached_value(token, use)
    return FoundToken(token, bool(any_expired))


def _in_utc(stored: datetime | None) -> datetime | None:
    """SQLite stores UTC without saying so."""
    return stored.replace(tzinfo=UTC) if stored and stored.tzinfo is None else stored


_ON_POSTGRESQL = _statement("json_agg")
_ON_SQLITE = _statement("json_group_array")


def _from_postgresql(parameters: list[Any]) -> list[tuple[Any, ...]]:
    """On the driver's own cursor: Django's prepares nothing, and planning takes ten times as long
    as the answer."""
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        return cursor.execute(_ON_POSTGRESQL, parameters, prepare=True).fetchall()


def _from_sqlite(parameters: list[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_ON_SQLITE, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


_FETCH: Mapping[str, Callable[[list[Any]], list[tuple[Any, ...]]]] = {
    "postgresql": _from_postgresql,
    "sqlite": _from_sqlite,
}
