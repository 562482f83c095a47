"""The log as it is stored, for operators. Nothing is decoded, so that any row can be looked at."""

import json
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from eventstore.admin.view_only import ListedValuesFilter, ViewOnlyAdmin
from eventstore.models import StorageEvent


@admin.register(StorageEvent)
class StorageEventAdmin(ViewOnlyAdmin):
    list_display = (
        "position",
        "event_type",
        "stream_id",
        "version",
        "occurred_at",
        "recorded_at",
    )
    list_filter = (("event_type", ListedValuesFilter), ("stream_type", ListedValuesFilter))
    ordering = ("-position",)
    search_fields = ("stream_id",)
    search_help_text = "The id of a stream, an event, or a batch (correlation id), in full."
    fields = (
        "position",
        "event_id",
        "event_type",
        "schema_version",
        "stream_type",
        "stream",
        "version",
        "occurred_at",
        "recorded_at",
        "batch",
        "stored_data",
        "stored_metadata",
        "personal_data",
        "chained",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: "QuerySet[StorageEvent]", search_term: str
    ) -> "tuple[QuerySet[StorageEvent], bool]":
        if not search_term.strip():
            return queryset, False
        try:
            id = UUID(search_term.strip())
        except ValueError:
            return queryset.none(), False
        return queryset.filter(Q(stream_id=id) | Q(event_id=id) | Q(correlation_id=id)), False

    @admin.display(description="stream id")
    def stream(self, event: StorageEvent) -> SafeString:
        return _search_for(event.stream_id)

    @admin.display(description="correlation id")
    def batch(self, event: StorageEvent) -> str:
        if event.correlation_id is None:
            return self.get_empty_value_display()
        return _search_for(event.correlation_id)

    @admin.display(description="data")
    def stored_data(self, event: StorageEvent) -> SafeString:
        return _readable(event.data)

    @admin.display(description="metadata")
    def stored_metadata(self, event: StorageEvent) -> SafeString:
        return _readable(event.metadata)

    @admin.display(description="personal data")
    def personal_data(self, event: StorageEvent) -> str:
        return f"{len(event.personal)} bytes, encrypted" if event.personal else "none"

    @admin.display(description="hash")
    def chained(self, event: StorageEvent) -> str:
        return bytes(event.hash).hex()


def _search_for(id: UUID) -> SafeString:
    events = reverse("admin:eventstore_storageevent_changelist")
    return format_html('<a href="{}?q={}">{}</a>', events, id, id)


def _readable(stored: str) -> SafeString:
    """Indented where it is JSON, and as it is where it is not."""
    try:
        text = json.dumps(json.loads(stored), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        text = stored
    return format_html('<pre class="stored">{}</pre>', text)
