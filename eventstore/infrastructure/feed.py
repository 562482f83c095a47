"""The event feed of another system, over HTTP."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from http import HTTPStatus
from http.client import HTTPException
from typing import Annotated, NamedTuple
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener
from uuid import UUID

import msgspec

from eventstore.application.ports import FEED_START, FeedPage, FeedUnavailable
from eventstore.domain.exceptions import CursorBeyondLog, LogWasRestored

TIMEOUT = 10.0
"""Seconds without a byte."""
PAGE = 1000
"""Events of one answer, the most that the feed gives."""
RESTORED = (LogWasRestored.code, CursorBeyondLog.code)


_Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,19}\Z")]


class _Event(msgspec.Struct):
    logposition: _Number
    sequence: _Number


class _Page(msgspec.Struct):
    results: list[msgspec.Raw]
    next: str = ""


class _Problem(msgspec.Struct):
    code: str = ""


class _Told(NamedTuple):
    events: list[tuple[_Event | None, bytes]]
    """A body that does not say where it stands is among others that do: they go on without it."""
    next: str
    """What follows is behind it."""


class _NoRedirects(HTTPRedirectHandler):
    """They are errors: followed, they would take the token wherever they lead."""

    def redirect_request(self, *_: object) -> None:
        return None


_open = build_opener(_NoRedirects).open
_problem = msgspec.json.Decoder(_Problem)
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
            for page in self._pages({"subject": str(stream_id)}, after=FEED_START)
            for event, body in page.events
            if event is not None and after < int(event.sequence) <= until
        ]

    def pages(self, *, after: str = FEED_START) -> Iterator[FeedPage]:
        for page in self._pages({}, after=after):
            yield FeedPage(page.next, [body for _, body in page.events])

    def _pages(self, wanted: dict[str, str], *, after: str) -> Iterator[_Told]:
        """To the end that the log has by then."""
        before = 0
        while (page := self._asked({**wanted, "after": after, "limit": str(PAGE)})).events:
            last = _last(page.events)
            if last <= before:
                raise FeedUnavailable(reason=f"behind position {before} it gives {last}")
            before, after = last, page.next
            yield page

    def _asked(self, parameters: dict[str, str]) -> _Told:
        # The scheme is http or https: the settings accept no other.
        request = Request(  # noqa: S310
            f"{self._url}?{urlencode(parameters)}",
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
        )
        try:
            with _open(request, timeout=TIMEOUT) as answer:
                page = _page.decode(answer.read())
            told = [(_placed(body), bytes(body)) for body in page.results]
            if told and not any(event for event, _ in told):
                _event.decode(page.results[0])
            return _Told(told, _following(page.next) or (str(_last(told)) if told else ""))
        except HTTPError as error:
            # The error is the answer, with its connection.
            with closing(error):
                restored = _restored(error)
            raise FeedUnavailable(reason=str(error), restored=restored) from error
        except (OSError, HTTPException, msgspec.MsgspecError, ValueError) as error:
            raise FeedUnavailable(reason=str(error)) from error


def _placed(body: msgspec.Raw) -> _Event | None:
    try:
        return _event.decode(body)
    except msgspec.MsgspecError:
        return None


def _following(link: str) -> str:
    """Its `after` alone: the link names the host as seen from over there."""
    return parse_qs(urlsplit(link).query).get("after", [""])[-1]


def _restored(error: HTTPError) -> bool:
    """Whether the answer says that the log does not hold what was read of it."""
    if error.code != HTTPStatus.CONFLICT:
        return False
    try:
        return _problem.decode(error.read()).code in RESTORED
    except (OSError, HTTPException, msgspec.MsgspecError):
        return False


def _last(events: Sequence[tuple[_Event | None, bytes]]) -> int:
    return [int(event.logposition) for event, _ in events if event is not None][-1]
