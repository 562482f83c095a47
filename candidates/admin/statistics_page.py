"""The page of statistics: as of now, or of a time that the reader states."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from candidates.application.statistics import COUNTED, Statistics
from candidates.domain.events import Status
from candidates.models import REASONS, CandidateProjection
from candidates.wiring import statistics
from eventstore.application.past import AsOf
from eventstore.domain.exceptions import InvalidValue

SHOWN_SOURCES = 50
SHOWN_DAYS = 30

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    Admin = ModelAdmin[CandidateProjection]


class MomentForm(forms.Form):
    as_of = forms.DateTimeField(
        required=False,
        label="As of",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )


def statistics_page(request: HttpRequest, *, model_admin: "Admin") -> HttpResponse:
    """Needs the permission to view candidates."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = MomentForm(request.GET)
    form.fields["as_of"].help_text = f"In {timezone.get_current_timezone_name()}; empty: now."
    figures: dict[str, Any] = {}
    if form.is_valid():
        at = form.cleaned_data["as_of"]
        try:
            figures = _figures(statistics(AsOf(at) if at else None)) | {"as_of": at}
        except InvalidValue as error:
            form.add_error("as_of", error.detail)
    return TemplateResponse(
        request,
        "candidates/statistics.html",
        {
            **model_admin.admin_site.each_context(request),
            **figures,
            "form": form,
            "opts": model_admin.opts,
            "preserved_filters": "",
            "title": "Statistics",
            "media": model_admin.media,
        },
    )


def _figures(found: Statistics) -> dict[str, Any]:
    largest = sorted(found.sources, key=lambda counts: -counts.ever[Status.ADDED])
    return {
        "statuses": [
            (
                status,
                found.now[status],
                found.ever[status],
                found.stays[status].ended,
                _words(found.stays[status].median),
                _words(found.stays[status].percentile_90),
            )
            for status in COUNTED
        ],
        "reasons": [(REASONS[reason], count) for reason, count in found.reasons.items()],
        "sources": [
            (
                counts.source or "none",
                [(counts.now[status], counts.ever[status]) for status in COUNTED],
            )
            for counts in largest[:SHOWN_SOURCES]
        ],
        "further_sources": max(0, len(largest) - SHOWN_SOURCES),
        "days": [
            (counts.day, list(counts.reached.values()))
            for counts in reversed(found.days[-SHOWN_DAYS:])
        ],
        "further_days": max(0, len(found.days) - SHOWN_DAYS),
    }


def _words(lasted: timedelta | None) -> str:
    """In days and hours, or hours and minutes: nobody plans by more."""
    if lasted is None:
        return "–"
    minutes = round(lasted / timedelta(minutes=1))
    hours, days = minutes // 60, minutes // (24 * 60)
    return f"{days} d {hours % 24} h" if days else f"{hours} h {minutes % 60} min"
