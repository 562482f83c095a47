"""Shows that a snapshot was taken by this system: a code under a key that no database holds.

HMAC-SHA-256 (RFC 2104), under a key that HKDF (RFC 5869) derives from a wrapping key by a label of
its own. The key's id stands before the code, so that a key that is not configured is told from a
row that was changed.
"""

import hashlib
import hmac
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from eventstore.domain.exceptions import SnapshotNotAuthentic
from eventstore.domain.snapshot import Snapshot

_LABEL = b"eventstore snapshot mac"
_KEY_ID = 4
_encode = msgspec.json.Encoder().encode


class SnapshotMacs:
    """The newest wrapping key's is written, that of any configured one is accepted."""

    def __init__(self, wrapping_keys: Sequence[bytes]) -> None:
        derived = [HKDF(SHA256(), 32, salt=None, info=_LABEL).derive(key) for key in wrapping_keys]
        self._keys = {hashlib.sha256(key).digest()[:_KEY_ID]: key for key in derived}
        self._newest = next(iter(self._keys))

    def of(self, snapshot: Snapshot) -> bytes:
        return self._newest + _code(self._keys[self._newest], snapshot)

    def check(self, snapshot: Snapshot, mac: object) -> None:
        """Raises SnapshotNotAuthentic."""
        reason = "has no MAC"
        if isinstance(mac, bytes):
            key = self._keys.get(mac[:_KEY_ID])
            if key is None:
                reason = "has a MAC under a wrapping key that is not configured"
            elif hmac.compare_digest(mac[_KEY_ID:], _code(key, snapshot)):
                return
            else:
                reason = "is not what its MAC was made of"
        raise SnapshotNotAuthentic(
            stream_id=snapshot.stream_id, version=snapshot.head.version, reason=reason
        )

    def is_newest(self, mac: bytes) -> bool:
        return mac[:_KEY_ID] == self._newest

    def knows_key_of(self, mac: bytes) -> bool:
        return mac[:_KEY_ID] in self._keys


def _code(key: bytes, snapshot: Snapshot) -> bytes:
    # The times of its head are compared with the log's by every load, and are in the hash.
    place = _encode(
        [
            snapshot.stream_type,
            snapshot.stream_id.hex,
            snapshot.head.version,
            snapshot.head.hash.hex(),
            snapshot.schema,
        ]
    )
    # The array is on one line, so nobody can move its end into the state.
    return hmac.digest(key, place + b"\n" + snapshot.state.encode(), "sha256")
