"""One data key a stream, wrapped by keys that the database never sees.

AES-256-GCM throughout (NIST SP 800-38D), with random nonces of 96 bits: a data key encrypts the
few events of one stream, a wrapping key the data keys, both far below the 2**32 messages that
random nonces allow.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from uuid import NAMESPACE_OID, UUID, uuid5

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12
FINGERPRINT = 4
"""Bytes. Whatever is wrapped begins with the fingerprint of the key that wraps it."""
_CHECKED = b"this key may write"
_CHECK_PLACE = uuid5(NAMESPACE_OID, "check value of a wrapping key")


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
    """The wrapping keys, the newest first: it wraps, any of them unwraps.

    `admit` is asked before anything is wrapped, and raises where this key may not.
    """

    def __init__(
        self, keys: Sequence[bytes], *, admit: Callable[["Keyring"], object] = lambda _: None
    ) -> None:
        self._ciphers = {_fingerprint(key): AESGCM(key) for key in keys}
        self._newest = _fingerprint(keys[0])
        self._admit = admit

    @property
    def newest(self) -> str:
        """Fingerprint of the key that wraps."""
        return self._newest.hex()

    @property
    def fingerprints(self) -> list[str]:
        """Of all keys, the newest first."""
        return [fingerprint.hex() for fingerprint in self._ciphers]

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
        return wrapped[:FINGERPRINT] == self._newest

    def rewrap(self, place: UUID, wrapped: bytes) -> bytes:
        """The same key or secret under the newest wrapping key. Raises KeyUnavailable."""
        return self.wrap(place, self._unwrap(place, wrapped))

    def wrap(self, place: UUID, key: bytes) -> bytes:
        """How a key or secret is stored: it cannot be unwrapped as that of another place."""
        self.require_admitted()
        return self._wrapped(self._newest, place, key)

    def require_admitted(self) -> None:
        """Raises what `admit` does."""
        self._admit(self)

    def check_value(self, fingerprint: str) -> bytes:
        """What only this key can make and recognize. Raises KeyError for one that is not here."""
        return self._wrapped(bytes.fromhex(fingerprint), _CHECK_PLACE, _CHECKED)

    def recognizes(self, check_value: bytes) -> bool:
        """Whether one of these very keys has made it."""
        try:
            return hmac.compare_digest(self._unwrap(_CHECK_PLACE, check_value), _CHECKED)
        except KeyUnavailable:
            return False

    def _wrapped(self, fingerprint: bytes, place: UUID, key: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return fingerprint + nonce + self._ciphers[fingerprint].encrypt(nonce, key, place.bytes)

    def _unwrap(self, place: UUID, wrapped: bytes, *, kind: str = "stream's key") -> bytes:
        fingerprint, nonce = wrapped[:FINGERPRINT], wrapped[FINGERPRINT : FINGERPRINT + _NONCE]
        if fingerprint not in self._ciphers:
            raise WrappingKeyMissing(f"no wrapping key {fingerprint.hex()} is configured")
        sealed = wrapped[FINGERPRINT + _NONCE :]
        try:
            return self._ciphers[fingerprint].decrypt(nonce, sealed, place.bytes)
        except (InvalidTag, ValueError) as error:
            raise KeyUnavailable(f"the {kind} was altered or moved") from error


def fingerprint_of(key: bytes) -> str:
    """Tells wrapping keys apart without saying anything about them: eight hexadecimal digits."""
    return _fingerprint(key).hex()


def _fingerprint(key: bytes) -> bytes:
    return hashlib.sha256(b"key id" + key).digest()[:FINGERPRINT]
