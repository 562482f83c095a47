"""A connection to RabbitMQ that lives while nobody uses it.

pika does everything in the thread that runs its loop. Here that thread does nothing else, so
heartbeats go on while a batch is written, and a peer that has fallen silent is noticed.
"""

import logging
from collections.abc import Callable
from threading import Condition, Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from pika import SelectConnection, URLParameters
from pika.channel import Channel
from pika.exceptions import (
    AMQPError,
    ChannelClosed,
    ChannelClosedByClient,
    ConnectionClosed,
    ConnectionClosedByClient,
)

logger = logging.getLogger(__name__)

HEARTBEAT = 5
"""Seconds. A peer that says nothing for this and five more is taken for dead."""
CONNECTED_WITHIN = 5.0
CLOSED_WITHIN = 2.0
"""Seconds. Who cannot say goodbye by then is left to the heartbeat."""
_DEFAULTS = {
    "heartbeat": str(HEARTBEAT),
    "blocked_connection_timeout": "10",
    "socket_timeout": "5",
    "stack_timeout": "5",
}


class LinkLost(Exception):
    """The connection is not there, or not any more; the text says why and names no host."""


def parameters(url: str) -> URLParameters:
    """With timeouts that notice a dead peer, where the URL states none.

    Raises ValueError for a URL that pika does not understand.
    """
    parts = urlsplit(url)
    query = urlencode({**_DEFAULTS, **dict(parse_qsl(parts.query))})
    return URLParameters(parts._replace(query=query).geturl())


class Link:
    """One connection with one channel. What is lost stays lost: make a new one."""

    _logged: ClassVar[str] = ""
    """Why the last connection was lost, until there is one again: it is said once."""

    def __init__(self, parameters: URLParameters) -> None:
        self.changed = Condition()
        """Notified whenever something arrived that somebody may wait for."""
        self.lost = ""
        """Why there is no connection any more; empty while there is one."""
        self._ready = False
        self._channel: Channel | None = None
        self._connection = SelectConnection(
            parameters,
            on_open_callback=self._opened,
            on_open_error_callback=self._failed,
            on_close_callback=self._failed,
        )
        self._thread = Thread(target=self._run, name="amqp", daemon=True)

    def prepare(self, channel: Channel, ready: Callable[[Any], None]) -> None:
        """Ask the open channel for what is needed; `ready` is for the last of the answers.

        Runs in the loop's thread, as do the callbacks of the channel.
        """
        raise NotImplementedError

    def open(self) -> None:
        """Raises LinkLost."""
        self._thread.start()
        with self.changed:
            self.changed.wait_for(lambda: self._ready or self.lost, CONNECTED_WITHIN)
            if not self._ready and not self.lost:
                self.lost = "the broker does not answer"
        if self.lost:
            self.close()
            raise LinkLost(self.lost)

    def call(self, act: Callable[[Channel], object]) -> None:
        """Soon, in the loop's thread. Raises LinkLost."""
        with self.changed:
            if self.lost:
                raise LinkLost(self.lost)
        self._connection.ioloop.add_callback_threadsafe(lambda: self._act(act))

    def wait(self, condition: Callable[[], object], seconds: float) -> bool:
        """Until it is true; False where it is not by then. Raises LinkLost."""
        with self.changed:
            self.changed.wait_for(lambda: condition() or self.lost, seconds)
            if condition():
                return True
            if self.lost:
                raise LinkLost(self.lost)
        return False

    def close(self) -> None:
        """What was said before is sent before."""
        self._connection.ioloop.add_callback_threadsafe(self._close)
        self._thread.join(CLOSED_WITHIN)

    def _run(self) -> None:
        try:
            self._connection.ioloop.start()
        finally:
            self._connection.ioloop.close()
            with self.changed:
                self.lost = self.lost or "the connection is closed"
                self.changed.notify_all()

    def _act(self, act: Callable[[Channel], object]) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        try:
            act(channel)
        except AMQPError as error:
            self._lose(error)

    def _close(self) -> None:
        # One that is still being opened ends by its timeouts: pika 1.4 fails on closing it.
        if self._connection.is_open:
            self._connection.close()

    def _opened(self, _: object) -> None:
        if self.lost:
            self._connection.close()
            return
        self._connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Channel) -> None:
        self._channel = channel
        channel.add_on_close_callback(self._channel_closed)
        self.prepare(channel, self._prepared)

    def _prepared(self, _: object) -> None:
        Link._logged = ""
        with self.changed:
            self._ready = True
            self.changed.notify_all()

    def _channel_closed(self, _: Channel, reason: Exception) -> None:
        self._lose(reason)
        self._close()

    def _failed(self, _: object, reason: str | BaseException) -> None:
        self._lose(reason)
        self._connection.ioloop.stop()

    def _lose(self, reason: str | BaseException) -> None:
        with self.changed:
            if not self.lost:
                self.lost = self._described(reason)
            self.changed.notify_all()

    @staticmethod
    def _described(reason: str | BaseException) -> str:
        """What anybody may know: whole texts name hosts and users, for who reads the log."""
        if isinstance(reason, (ChannelClosedByClient, ConnectionClosedByClient)):
            return "the connection is closed"
        text = f"{type(reason).__name__}: {reason}"
        if text != Link._logged:
            logger.warning("A connection to RabbitMQ is lost: %s", text)
            Link._logged = text
        if isinstance(reason, (ConnectionClosed, ChannelClosed)):
            return f"the broker ended it: {reason.reply_code} {reason.reply_text.partition(' ')[0]}"
        return f"the broker is out of reach ({type(reason).__name__})"
