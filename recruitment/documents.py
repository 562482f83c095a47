"""The OpenAPI document and the page that shows it; both are for everybody."""

from collections.abc import Collection
from typing import Any, ClassVar

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.views import APIView

from eventstore.api.parameters import single_values


class _StrictQuery(APIView):
    parameters: ClassVar[Collection[str]] = ("format", "lang", "version")
    """Of drf-spectacular. `format` is taken and changes nothing: `Accept` alone decides on that."""
    signals: ClassVar[Collection[str]] = ()
    """Those that may be blank."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # Of a method that is not allowed, no parameter is the mistake.
        if request.method in ("GET", "HEAD"):
            single_values(request, self.parameters, blank=self.signals)


class Document(_StrictQuery, SpectacularAPIView):
    pass


class DocumentPage(_StrictQuery, SpectacularSwaggerSplitView):
    # Its own template: Swagger UI's has a style element, which the content security policy refuses.
    template_name = "recruitment/api_docs.html"
    url_name = "schema"
    # The page loads its script from this path with `?script=`.
    parameters = (*_StrictQuery.parameters, "script")
    signals = ("script",)
