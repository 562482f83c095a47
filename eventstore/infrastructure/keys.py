"""One data key a stream, wrapped by keys that the database never sees.

AES-256-GCM throughout (NIST SP 800-38D), with random nonces of 96 bits: a data key encrypts the
few events of one stream, a wrapping key the data keys, both far below the 2**32 messages that
random nonces allow.
"""

import hashlib
import os
from collections.abc import Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
_KEY_ID = 4


class KeyUnavailable(Exception):
    """The personal part cannot be read: it, or a key on the way to it, is not what it was."""


class WrappingKeyMissing(KeyUnavailable):
    """The wrapping key is not among those configured; with it, all might be well."""


class DataKey:
    """Encrypts and decrypts what is personal in one stream."""

    def __init__(self, stream_id: UUID, key: bytes) -> None:
        self._stream_id = stream_id
        self._cipher = AESGCM(key)

    def encrypt(self, text: bytes, *, version: int) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, text, self._place(version))

    def decrypt(self, sealed: bytes, *, version: int) -> bytes:
        """Raises KeyUnavailable where the text was altered or belongs to another event."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], self._place(version))
        except (InvalidTag, ValueError) as error:
            raise KeyUnavailable("the personal part was altered or moved") from error

    def _place(self, version: int) -> bytes:
        """Associated data: a ciphertext cannot be moved to another event."""
        return self._stream_id.bytes + version.to_bytes(8, "big")


class Keyring:
    """The wrapping keys, the newest first: it wraps, any of them unwraps."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._ciphers = {_key_id(key): AESGCM(key) for key in keys}
        self._newest = _key_id(keys[0])

    def new_key(self, stream_id: UUID) -> tuple[DataKey, bytes]:
        """A fresh data key, and how it is stored."""
        key = AESGCM.generate_key(256)
        return DataKey(stream_id, key), self.wrap(stream_id, key)

    def unwrap(self, stream_id: UUID, wrapped: bytes) -> DataKey:
        """Raises KeyUnavailable."""
        return DataKey(stream_id, self._unwrap(stream_id, wrapped))

    def unwrap_secret(self, place: UUID, wrapped: bytes) -> bytes:
        """Returns the secret that was wrapped for this place. Raises KeyUnavailable."""
        return self._unwrap(place, wrapped, kind="secret")

    def is_newest(self, wrapped: bytes) -> bool:
        return wrapped[:_KEY_ID] == self._newest

    def rewrap(self, place: UUID, wrapped: bytes) -> bytes:
        """The same key or secret under the newest wrapping key. Raises KeyUnavailable."""
        return self.wrap(place, self._unwrap(place, wrapped))

    def wrap(self, place: UUID, key: bytes) -> bytes:
        """How a key or secret is stored: it cannot be unwrapped as that of another place."""
        nonce = os.urandom(_NONCE)
        sealed = self._ciphers[self._newest].encrypt(nonce, key, place.bytes)
        return self._newest + nonce + sealed

    def _unwrap(self, place: UUID, wrapped: bytes, *, kind: str = "stream's key") -> bytes:
        key_id, nonce = wrapped[:_KEY_ID], wrapped[_KEY_ID : _KEY_ID + _NONCE]
        if key_id not in self._ciphers:
            raise WrappingKeyMissing(f"no wrapping key {key_id.hex()} is configured")
        try:
            return self._ciphers[key_id].decrypt(nonce, wrapped[_KEY_ID + _NONCE :], place.bytes)
        except (InvalidTag, ValueError) as error:
            raise KeyUnavailable(f"the {kind} was altered or moved") from error


def _key_id(key: bytes) -> bytes:
    """Tells wrapping keys apart without saying anything about them."""
    return hashlib.sha256(b"key id" + key).digest()[:_KEY_ID]
