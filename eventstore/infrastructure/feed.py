"""The event feed of another system, over HTTP."""

from collections.abc import Iterator
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen
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
            with urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                results = _page.decode(answer.read()).results
            return [(_event.decode(body), bytes(body)) for body in results]
        except (URLError, OSError, msgspec.MsgspecError, ValueError) as error:
            raise FeedUnavailable(reason=str(error)) from error
