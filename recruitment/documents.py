"""The OpenAPI document and the page that shows it; both are for everybody."""

from collections.abc import Collection
from typing import Any, ClassVar

from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.views import APIView

from eventstore.api.parameters import single_values


class _StrictQuery(APIView):
    parameters: ClassVar[Collection[str]] = ("format", "lang", "version")
    """Parameters of drf-spectacular. `format` is accepted without effect: only `Accept` decides."""
    signals: ClassVar[Collection[str]] = ()
    """Those that may be blank."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # A method that is not allowed is answered with 405, whatever its parameters.
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
