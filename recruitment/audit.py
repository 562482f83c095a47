"""Says in the log who changed what somebody may do.

One line each, of the logger `recruitment.audit`: an action and then `key="value"`, with user names
and no other personal data. Signals tell of changes, so that those of a shell are said too;
`QuerySet.update` and SQL send none.
"""

import json
import logging
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from getpass import getuser
from typing import Any

from django.contrib.auth.models import Group, Permission, User
from django.db import models, transaction
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from knox.models import AuthToken

from recruitment.errors import in_api
from recruitment.models import ApiToken

logger = logging.getLogger(__name__)
FLAGS = ("is_active", "is_staff", "is_superuser")
_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


def name_actor(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Middleware. Whoever is logged in to the request is the actor of what happens meanwhile."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        token = _request.set(request)
        try:
            return get_response(request)
        finally:
            _request.reset(token)

    return middleware


def audit(action: str, **facts: object) -> None:
    """Writes the line when the transaction is committed, and none where it is rolled back."""
    actor, door = _actor()
    line = fields(by=actor, door=door, **facts)
    transaction.on_commit(lambda: logger.info("%s %s", action, line))


def fields(**facts: object) -> str:
    """`key="value"` of each, as JSON writes a text: no value begins another line or key."""
    texts = {name: json.dumps(str(value)) for name, value in facts.items()}
    # What follows a question mark is cut off every line, since it may be a query string.
    return " ".join(f"{name}={text}" for name, text in texts.items()).replace("?", r"\u003f")


def _actor() -> tuple[str, str]:
    """Who is at work, and by which door they came."""
    request = _request.get()
    if request is None:
        try:
            return getuser(), "command line"
        except (OSError, KeyError):
            # This process's user has no name.
            return "-", "command line"
    return request.user.get_username() or "-", "api" if in_api(request) else "admin"


def connect() -> None:
    """Listens to what changes permissions. Once, when the apps are ready."""
    for through in (User.groups.through, User.user_permissions.through, Group.permissions.through):
        m2m_changed.connect(_linked, sender=through, dispatch_uid=f"audit {through.__name__}")
    pre_save.connect(_remember_user, sender=User, dispatch_uid="audit")
    post_save.connect(_saved_user, sender=User, dispatch_uid="audit")
    post_delete.connect(_deleted_user, sender=User, dispatch_uid="audit")
    post_delete.connect(_deleted_group, sender=Group, dispatch_uid="audit")
    post_save.connect(_saved_token, sender=AuthToken, dispatch_uid="audit")
    for kind in (AuthToken, ApiToken):
        post_delete.connect(_deleted_token, sender=kind, dispatch_uid="audit")


def _linked(
    sender: type[models.Model],
    instance: models.Model,
    action: str,
    model: type[models.Model],
    pk_set: Iterable[Any] | None,
    **_: Any,
) -> None:
    if action == "pre_clear":
        pk_set = _linked_to(sender, instance, model)
    elif action not in ("post_add", "post_remove"):
        return
    names = sorted(_name(one) for one in _named(model).filter(pk__in=pk_set or ()))
    if names:
        verb = "granted" if action == "post_add" else "withdrawn"
        facts = {_kind(type(instance)): _name(instance), _kind(model): ",".join(names)}
        audit(f"access_{verb}", **facts)


def _linked_to(
    through: type[models.Model], instance: models.Model, model: type[models.Model]
) -> list[Any]:
    """The keys of all that this one is linked to."""
    ends = {
        field.related_model: field
        for field in through._meta.concrete_fields
        if isinstance(field, models.ForeignKey)
    }
    here, there = ends[type(instance)], ends[model]
    linked = through._default_manager.filter(**{here.attname: instance.pk})
    return list(linked.values_list(there.attname, flat=True))


def _named(model: type[models.Model]) -> models.QuerySet[models.Model]:
    found = model._default_manager.all()
    return found.select_related("content_type") if model is Permission else found


def _kind(model: type[models.Model]) -> str:
    return model._meta.model_name or ""


def _name(one: models.Model) -> str:
    match one:
        case User():
            return one.get_username()
        case Permission():
            return f"{one.content_type.app_label}.{one.codename}"
    return str(one)


def _remember_user(instance: User, update_fields: Iterable[str] | None, **_: Any) -> None:
    before = None
    if instance.pk and (update_fields is None or {"username", *FLAGS} & {*update_fields}):
        before = User.objects.filter(pk=instance.pk).values("username", *FLAGS).first()
    instance._before = before  # type: ignore[attr-defined]


def _saved_user(instance: User, created: bool, **_: Any) -> None:
    name, before = instance.get_username(), getattr(instance, "_before", None)
    if created:
        flags = {flag: _word(getattr(instance, flag)) for flag in FLAGS}
        audit("user_created", user=name, **flags)
    elif before:
        changed = {flag for flag in FLAGS if getattr(instance, flag) != before[flag]}
        flags = {flag: _word(getattr(instance, flag)) for flag in FLAGS if flag in changed}
        if flags:
            audit("user_changed", user=name, **flags)
        if before["username"] != name:
            audit("user_renamed", user=name, before=before["username"])


def _word(flag: bool) -> str:
    return "yes" if flag else "no"


def _deleted_user(instance: User, **_: Any) -> None:
    audit("user_deleted", user=instance.get_username())


def _deleted_group(instance: Group, **_: Any) -> None:
    audit("group_deleted", group=instance.name)


def _saved_token(instance: AuthToken, created: bool, **_: Any) -> None:
    """By another door than `recruitment.tokens`, which says more."""
    if created:
        audit("token_issued", user=instance.user.get_username(), token=instance.token_key[:8])


def _deleted_token(instance: AuthToken, **_: Any) -> None:
    audit("token_deleted", user=instance.user.get_username(), token=instance.token_key[:8])
