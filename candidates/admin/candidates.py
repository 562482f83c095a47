"""The list of candidates and the page of each: read here, decided upon through the service."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from candidates.admin.decision_forms import FORMS, DecisionForm, Seen
from candidates.admin.decision_pages import MOST_AT_ONCE, confirmation, decide, versions_seen
from candidates.admin.decisions import objection
from candidates.admin.filters import StatusFilter
from candidates.admin.profile import shown
from candidates.admin.statistics_page import statistics_page
from candidates.admin.timeline import timeline
from candidates.application.commands import DECIDE
from candidates.models import CandidateProjection
from candidates.models.search import CandidateQuerySet
from candidates.wiring import candidate_at, history
from eventstore.admin.view_only import ListedValuesFilter, ViewOnlyAdmin
from eventstore.application.past import AtVersion
from eventstore.domain.exceptions import (
    AggregateNotFound,
    DomainError,
    LogNotHere,
    UndecodableEvent,
)

_ALWAYS = (("status_label", "status_since"), ("score", "applied_position", "source"))
_WHERE_THERE = ("due_on", "rejection_reason", "rejection_note")
_RECORD = (("added_at", "changed_at", "changed_by"), ("version", "id"))


def _bulk_action(form: type[DecisionForm]) -> Callable[..., HttpResponse | None]:
    @admin.action(description=form.verb, permissions=["decide"])
    def choose(
        model_admin: "CandidateAdmin",
        request: HttpRequest,
        queryset: "QuerySet[CandidateProjection]",
    ) -> HttpResponse | None:
        ticked = request.POST.getlist(ACTION_CHECKBOX_NAME)
        listed = set(queryset.filter(pk__in=ticked).values_list("pk", flat=True))
        # Django leaves out without a word what was ticked and the filters do not find any more.
        others = model_admin.get_queryset(request).filter(pk__in=ticked).exclude(pk__in=listed)
        chosen, gone = list(queryset[: MOST_AT_ONCE + 1]), list(others)
        if len(chosen) + len(gone) > MOST_AT_ONCE:
            text = f"At most {MOST_AT_ONCE} candidates at a time: filter or search for fewer."
            model_admin.message_user(request, text, messages.ERROR)
            return None
        seen = versions_seen(request.POST.getlist("seen"))
        return confirmation(
            request,
            form.kind,
            chosen + gone,
            looked_at={id: version for id, version in seen.items() if str(id) in ticked},
            notices=dict.fromkeys((one.pk for one in gone), "The list's filters find it no more."),
            model_admin=model_admin,
        )

    choose.__name__ = form.kind
    return choose


@admin.register(CandidateProjection)
class CandidateAdmin(ViewOnlyAdmin):
    change_form_template = "candidates/candidate.html"
    change_list_template = "candidates/candidates.html"
    actions = [_bulk_action(form) for form in FORMS.values()]
    list_display = (
        "candidate",
        "status_label",
        "status_since",
        "score",
        "applied_position",
        "source",
    )
    list_filter = (
        StatusFilter,
        ("source", ListedValuesFilter),
        ("applied_position", ListedValuesFilter),
        "rejection_reason",
        "added_at",
    )
    ordering = ("-added_position",)
    search_fields = ("search_key",)
    search_help_text = "Name, e-mail, phone, position, location, external id or tags."

    class Media:
        css = {"all": ["candidates/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> "QuerySet[CandidateProjection]":
        """Without the profiles, which are large and which only the page of one candidate reads."""
        return CandidateProjection.objects.defer("profile")

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[CandidateProjection]", search_term: str
    ) -> "tuple[QuerySet[CandidateProjection], bool]":
        if not search_term.strip():
            return queryset, False
        return cast(CandidateQuerySet, queryset).search(search_term), False

    def get_urls(self) -> list[URLPattern]:
        return [
            self._page("decide/<str:kind>/", decide, "decide"),
            self._page("statistics/", statistics_page, "statistics"),
            *super().get_urls(),
        ]

    def _page(self, route: str, view: Callable[..., HttpResponse], name: str) -> URLPattern:
        page = self.admin_site.admin_view(partial(view, model_admin=self))
        return path(route, page, name=f"candidates_candidateprojection_{name}")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(DECIDE) and not settings.READ_ONLY

    def get_fieldsets(
        self, request: HttpRequest, obj: CandidateProjection | None = None
    ) -> list[tuple[Any, Any]]:
        there = tuple(field for field in _WHERE_THERE if getattr(obj, field, None))
        return [("Candidate", {"fields": (*_ALWAYS, *there, *_RECORD)})]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> CandidateProjection | None:
        """With `?version=` as the candidate was then: not the row, but folded anew."""
        candidate: CandidateProjection | None = super().get_object(request, object_id, from_field)
        if candidate is None or "version" not in request.GET:
            return candidate
        version = request.GET["version"]
        if not re.fullmatch("[1-9][0-9]{0,8}", version):
            raise Http404("A version is a number from 1 on.")
        try:
            return candidate_at(candidate.pk, AtVersion(int(version)))
        except (AggregateNotFound, LogNotHere) as error:
            raise Http404(str(error)) from error

    def change_view(self, request: HttpRequest, object_id: str, *args: Any) -> HttpResponse:
        try:
            return super().change_view(request, object_id, *args)
        except UndecodableEvent as error:
            # Only a page of a past version raises this: the current page shows a note in place of
            # a history that cannot be read.
            messages.error(request, f"The past cannot be shown. {error}")
            return redirect("admin:candidates_candidateprojection_change", object_id)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        candidate: CandidateProjection = context["original"]
        past = "version" in request.GET
        context |= {"title": str(candidate), "subtitle": None, "profile": shown(candidate.profile)}
        context["past"] = past
        try:
            until = candidate.version if past else None
            context["timeline"] = timeline(history(candidate.pk, until=until))
        except (DomainError, UndecodableEvent) as error:
            context["unreadable"] = str(error)
        if self.has_decide_permission(request) and not past:
            user = cast(User, request.user)
            context["decisions"] = [
                (form, objection(user, form, candidate)) for form in FORMS.values()
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def action_checkbox(self, obj: CandidateProjection) -> SafeString:
        """With the version that the list shows: the decision is about that one."""
        seen = format_html('<input type="hidden" name="seen" value="{}">', Seen.of(obj))
        return SafeString(super().action_checkbox(obj) + seen)

    @admin.display(description="candidate", ordering="search_key")
    def candidate(self, candidate: CandidateProjection) -> SafeString:
        return format_html('<bdi class="name">{}</bdi>', candidate)

    @admin.display(description="status", ordering="status")
    def status_label(self, candidate: CandidateProjection) -> SafeString:
        return format_html(
            '<span class="status status-{}">{}</span>',
            candidate.status.lower(),
            candidate.get_status_display(),
        )
