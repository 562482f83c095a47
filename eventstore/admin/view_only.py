"""Admin pages that only show: for the log and its read models, which no form may write."""

from typing import Any, cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.functional import cached_property
from django.utils.text import capfirst

from eventstore.admin.strict_list import StrictListAdmin

LISTED_VALUES = 50


class CappedPaginator(Paginator):  # type: ignore[type-arg]  # not generic at run time
    """Counts, and shows, no further than `cap`: a count has to read every row that it counts."""

    cap = 10_000

    @cached_property
    def count(self) -> int:
        return min(self._counted, self.cap)

    @property
    def capped(self) -> bool:
        return self._counted > self.cap

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows[: self.cap + 1].count()


class ListedValuesFilter(admin.AllValuesFieldListFilter):
    """The values of a column, at most the first LISTED_VALUES of them."""

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        named = self.lookup_choices.exclude(**{field.name: ""})
        self.lookup_choices = named[:LISTED_VALUES]


class ViewOnlyAdmin(StrictListAdmin):
    """A list and a page for each row, for who may view; nothing else has an address."""

    change_form_template = "eventstore/view_only.html"
    paginator = CappedPaginator
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    class Media:
        css = {"all": ["eventstore/view_only.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        shown = {
            f"{self.opts.app_label}_{self.opts.model_name}_{page}"
            for page in ("changelist", "change")
        }
        return [url for url in super().get_urls() if url.name in shown]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method == "POST" and not self.get_actions(request):
            raise PermissionDenied
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})
