"""The event feed of another system, over HTTP."""

from collections.abc import Iterator
from http.client import HTTPException
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import UUID

import msgspec

from eventstore.application.ports import FeedUnavailable

TIMEOUT = 10.0
"""Seconds without a byte."""
PAGE = 1000
"""Events of one answer, the most that the feed gives."""


class _Event(msgspec.Struct):
    logposition: str
    sequence: str


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]


class _NoRedirects(HTTPRedirectHandler):
    """They are errors: followed, they would take the token wherever they lead."""

    def redirect_request(self, *_: object) -> None:
        return None


_open = build_opener(_NoRedirects).open
_page = msgspec.json.Decoder(_Page)
_event = msgspec.json.Decoder(_Event)


class HTTPEventFeed:
    """`url` is that of the feed itself, `…/api/v1/events/`; the token needs the scope `feed`."""

    def __init__(self, url: str, *, token: str) -> None:
        self._url = url
        self._token = token

    def stream(self, stream_id: UUID, *, after: int, until: int) -> list[bytes]:
        return [
            body
            for page in self._pages({"subject": str(stream_id)})
            for version, body in page
            if after < version <= until
        ]

    def pages(self) -> Iterator[list[bytes]]:
        for page in self._pages({}):
            yield [body for _, body in page]

    def _pages(self, wanted: dict[str, str]) -> Iterator[list[tuple[int, bytes]]]:
        """`(version, body)` of each event, to the end that the log has by then."""
        after = "0"
        while page := self._asked({**wanted, "after": after, "limit": str(PAGE)}):
            # By position and not by the link, which names the host as seen from over there.
            after = page[-1][0].logposition
            yield [(int(event.sequence), body) for event, body in page]

    def _asked(self, parameters: dict[str, str]) -> list[tuple[_Event, bytes]]:
        # The scheme is http or https: the settings accept no other.
        request = Request(  # noqa: S310
            f"{self._url}?{urlencode(parameters)}",
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
        )
        try:
            with _open(request, timeout=TIMEOUT) as answer:
                results = _page.decode(answer.read()).results
            return [(_event.decode(body), bytes(body)) for body in results]
        except (OSError, HTTPException, msgspec.MsgspecError, ValueError) as error:
            raise FeedUnavailable(reason=str(error)) from error
