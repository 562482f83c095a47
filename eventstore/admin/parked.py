"""Streams that a projection failed on: operators look at them, retry them, or skip an event."""

from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from eventstore import wiring
from eventstore.admin.view_only import ListedValuesFilter, ViewOnlyAdmin
from eventstore.domain.exceptions import AnotherLog, UndecodableEvent
from eventstore.models import ParkedStream

RETRY = "eventstore.retry_parkedstream"
_EXPLAINED = {
    "retry": "The rows of this stream are brought up to the log, as far as that can be done.",
    "skip": (
        "The event is tried once more. If it fails again, the rows go on without what it does: "
        "they differ from the log until the read model is replayed."
    ),
}


@admin.register(ParkedStream)
class ParkedStreamAdmin(ViewOnlyAdmin):
    change_form_template = "eventstore/parked_stream.html"
    list_display = (
        "stream_id",
        "projection",
        "version",
        "event_type",
        "error",
        "attempts",
        "parked_at",
        "retry_at",
    )
    list_filter = (("projection", ListedValuesFilter), ("event_type", ListedValuesFilter))
    ordering = ("parked_at", "pk")
    fields = list_display

    def get_urls(self) -> list[URLPattern]:
        acts = []
        for action in _EXPLAINED:
            page = self.admin_site.admin_view(partial(_act, action=action, model_admin=self))
            name = f"eventstore_parkedstream_{action}"
            acts.append(path(f"<int:pk>/{action}/", page, name=name))
        return [*acts, *super().get_urls()]

    def has_retry_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request) and request.user.has_perm(RETRY)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["may_retry"] = self.has_retry_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)


def _act(
    request: HttpRequest, pk: int, *, action: str, model_admin: ParkedStreamAdmin
) -> HttpResponse:
    """GET asks for confirmation, POST carries out. Needs the permission for both."""
    if not model_admin.has_retry_permission(request):
        raise PermissionDenied
    parked = ParkedStream.objects.filter(pk=pk).first()
    if parked is None:
        messages.info(request, "That stream is not parked any more.")
        return redirect("admin:eventstore_parkedstream_changelist")
    if request.method != "POST":
        context = {
            **model_admin.admin_site.each_context(request),
            "opts": model_admin.opts,
            "media": model_admin.media,
            "title": f"{action.capitalize()} a parked stream",
            "action": action,
            "explained": _EXPLAINED[action],
            "parked": parked,
        }
        return TemplateResponse(request, "eventstore/parked_action.html", context)
    _carry_out(request, action, parked)
    return redirect("admin:eventstore_parkedstream_changelist")


def _carry_out(request: HttpRequest, action: str, parked: ParkedStream) -> None:
    delivery = wiring.deliveries().get(parked.projection)
    if delivery is None:
        messages.error(request, f"There is no projection {parked.projection} any more.")
        return
    try:
        if action == "skip":
            failed = delivery.skip(parked.stream_id, version=_seen_version(request))
        else:
            failed = delivery.retry(parked.stream_id)
    except (
        AnotherLog,
        UndecodableEvent,
        wiring.NotParked,
        wiring.NothingToGoOnFrom,
    ) as error:
        messages.error(request, str(error))
    else:
        if failed:
            text = f"Failed again at version {failed.version}: {failed.error}."
            messages.error(request, text)
        else:
            messages.success(request, f"The rows of {parked.stream_id} are up to the log.")


def _seen_version(request: HttpRequest) -> int:
    try:
        return int(request.POST.get("version", ""))
    except ValueError:
        raise BadRequest("A version is a number.") from None
