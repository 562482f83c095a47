"""The event feed of another system, over HTTP."""

from collections.abc import Iterator
from http.client import HTTPException
from typing import Annotated, TypeAlias
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import UUID

import msgspec

from eventstore.application.ports import FeedPage, FeedUnavailable

TIMEOUT = 10.0
"""Seconds without a byte."""
PAGE = 1000
"""Events of one answer, the most that the feed gives."""


_Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}\Z")]


class _Event(msgspec.Struct):
    logposition: _Number
    sequence: _Number


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]


_Told: TypeAlias = list[tuple[_Event | None, bytes]]
"""A body that does not say where it stands is among others that do: they go on without it."""


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
            for page in self._pages({"subject": str(stream_id)}, after=0)
            for event, body in page
            if event is not None and after < int(event.sequence) <= until
        ]

    def pages(self, *, after: int) -> Iterator[FeedPage]:
        for page in self._pages({}, after=after):
            yield FeedPage(_last(page), [body for _, body in page])

    def _pages(self, wanted: dict[str, str], *, after: int) -> Iterator[_Told]:
        """To the end that the log has by then."""
        while page := self._asked({**wanted, "after": str(after), "limit": str(PAGE)}):
            # By position and not by the link, which names the host as seen from over there.
            before, after = after, _last(page)
            if after <= before:
                raise FeedUnavailable(reason=f"behind position {before} it gives {after}")
            yield page

    def _asked(self, parameters: dict[str, str]) -> _Told:
        # The scheme is http or https: the settings accept no other.
        request = Request(  # noqa: S310
            f"{self._url}?{urlencode(parameters)}",
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
        )
        try:
            with _open(request, timeout=TIMEOUT) as answer:
                results = _page.decode(answer.read()).results
            told: _Told = [(_placed(body), bytes(body)) for body in results]
            if told and not any(event for event, _ in told):
                _event.decode(results[0])
            return told
        except (OSError, HTTPException, msgspec.MsgspecError, ValueError) as error:
            raise FeedUnavailable(reason=str(error)) from error


def _placed(body: msgspec.Raw) -> _Event | None:
    try:
        return _event.decode(body)
    except msgspec.MsgspecError:
        return None


def _last(page: _Told) -> int:
    return [int(event.logposition) for event, _ in page if event is not None][-1]
