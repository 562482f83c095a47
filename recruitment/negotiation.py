"""Which of a view's media types a request accepts, as RFC 9110 says."""

from collections.abc import Iterable

from django.http.request import MediaType
from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class AcceptNegotiation(DefaultContentNegotiation):
    """DRF's takes no account of `q`: what a client refuses by `q=0` it is sent nevertheless."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        """The view's first of those that the client likes best. Raises NotAcceptable.

        The most specific range that fits a media type decides on it. An empty header is taken as
        none at all, and a `q` that is no number from 0 to 1 as if it were missing.
        """
        accepted = [MediaType(token) for token in self.get_accept_list(request)]
        renderers = list(renderers)
        if not accepted:
            return renderers[0], renderers[0].media_type
        liked = [(_accepted(renderer, accepted), renderer) for renderer in renderers]
        best = max(quality for (quality, _), _ in liked)
        if not best:
            raise NotAcceptable(available_renderers=renderers)
        return next((renderer, type) for (quality, type), renderer in liked if quality == best)


def _accepted(renderer: BaseRenderer, ranges: Iterable[MediaType]) -> tuple[float, str]:
    """How much the client likes what the renderer makes, and what it is called then.

    Parameters, as in `application/json; indent=4`, are the renderer's to look at or to ignore.
    """
    found = (0, 0.0, renderer.media_type)
    for one in ranges:
        params: dict[str, str] = one.range_params  # type: ignore[assignment]  # of text, so text
        specificity = _fits(renderer.media_type, one)
        parameters = "".join(f"; {name}={value}" for name, value in params.items())
        # A range with parameters and q=0 refuses a variant that this renderer does not make.
        quality = one.quality if one.quality <= 1 else 1  # nan is not
        if specificity and (quality or not parameters):
            found = max(found, (specificity, quality, renderer.media_type + parameters))
    return found[1], found[2]


def _fits(media_type: str, accepted: MediaType) -> int:
    """0 where it does not; the more specific the range, the more."""
    main, _, sub = media_type.partition(";")[0].partition("/")
    match accepted.main_type, accepted.sub_type:
        case "*", "*" | "":  # clients in Java send a single *
            return 1
        case accepted_main, "*" if accepted_main == main:
            return 2
        case accepted_main, accepted_sub if (accepted_main, accepted_sub) == (main, sub):
            return 3
    return 0
