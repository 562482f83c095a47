from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.generic import RedirectView

from recruitment import errors, health
from recruitment.documents import Document, DocumentPage

api: list[URLPattern | URLResolver] = [
    path("", include("candidates.api.urls")),
    path("", include("eventstore.api.urls")),
    path("schema/", Document.as_view(), name="schema"),
    path("docs/", DocumentPage.as_view(), name="docs"),
]
urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    # Django's own handler404 does not run under DEBUG.
    re_path(r"^api(?:/[\s\S]*)?\Z", errors.no_such_path),
]
handler400 = errors.bad_request
handler404 = errors.page_not_found
handler500 = errors.server_error
