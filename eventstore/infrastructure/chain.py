"""What ties each event to all that came before it in its stream.

The hash of an event is SHA-256 over a JSON array: the predecessor's hash (of a first event: that
of the stream's id), then every column but the position. Personal data enters as ciphertext, so an
erasure changes no hash. Changing, removing or moving an event breaks the chain behind it.
"""

import hashlib
from uuid import UUID

import msgspec

_encode = msgspec.json.Encoder().encode


def genesis(stream_id: UUID) -> bytes:
    """What stands in for the predecessor's hash at a stream's first event."""
    return hashlib.sha256(stream_id.bytes).digest()


def link(previous: bytes, columns: tuple[object, ...]) -> bytes:
    """The hash of the row with these columns, the hash itself left out.

    `previous` is its predecessor's.
    """
    return hashlib.sha256(_encode([previous.hex(), *columns])).digest()
