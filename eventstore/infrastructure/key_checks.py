"""Which wrapping keys may write to a log, and whether all that it needs are configured.

A key may write once the log holds its check value, so that one that was mistyped is refused before
its first event and not found out when its events cannot be read. Whether a key is needed shows the
index on fingerprints: it costs as many look-ups as there are wrapping keys, however many streams.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections

from eventstore.domain.exceptions import KeyNotAdopted, StreamKeyUnavailable
from eventstore.infrastructure.keys import (
    FINGERPRINT,
    DataKey,
    Keyring,
    KeyUnavailable,
    WrappingKeyMissing,
)
from eventstore.infrastructure.secrets import place_of
from eventstore.models import Fingerprint, KeyCheck, StorageEvent, StreamKey, WrappedSecret

MOST = 100
"""Fingerprints that are looked at. More can only come from somebody who put them there."""
SAMPLES = 5
"""Keys of one fingerprint that are tried: one that was altered says nothing of the wrapping key."""


class KeysLacking(Exception):
    """What is stored cannot be unwrapped by the keys that are configured."""


class KeyChecks:
    """Remembers which keys it found adopted: what was, stays so."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._adopted: set[str] = set()

    def require(self, keyring: Keyring) -> None:
        """Raises KeyNotAdopted where the newest key may not write."""
        if keyring.newest in self._adopted:
            return
        if not _is_adopted(keyring, keyring.newest, DEFAULT_DB_ALIAS):
            raise KeyNotAdopted(fingerprint=keyring.newest)
        self._adopted.add(keyring.newest)

    def forget(self) -> None:
        """For another database in the place of the one that was asked."""
        self._adopted.clear()

    def troubles(self, keyring: Keyring, using: str, *, writes: bool) -> list[str]:
        """What keeps these keys from reading what is stored, or the newest from writing; in words.

        As many small queries as there are wrapping keys. Empty where there are no tables yet.
        """
        if not _migrated(using):
            return []
        troubles = _lacking(keyring, using)
        if writes and not troubles and not _is_adopted(keyring, keyring.newest, using):
            troubles.append(str(KeyNotAdopted(fingerprint=keyring.newest)))
        return troubles

    def adopt(self, keyring: Keyring) -> list[str]:
        """Let all these keys write. Returns the fingerprints of those that could not before.

        Raises KeysLacking where they do not unwrap all that is stored: a key is adopted beside
        those that the log needs, and never in the place of one.
        """
        if troubles := _lacking(keyring, DEFAULT_DB_ALIAS):
            raise KeysLacking(" ".join(troubles))
        return self._adopt(keyring, keyring.fingerprints, DEFAULT_DB_ALIAS)

    def adopt_first(self, keyring: Keyring, using: str) -> list[str]:
        """For `migrate`. Returns the fingerprints of the keys that may write from now on.

        The newest key, where nothing is stored yet. Where something is and no key was ever
        adopted, as in a log from before there were check values: those keys that unwrap what is
        stored, and no other.
        """
        if not _migrated(using):
            # An older migration was asked for.
            return []
        wrapped = list(_one_of_each(using))
        if not KeyCheck.objects.using(using).exists():
            working = [one.fingerprint for one in wrapped if one.unwrapped_by(keyring)]
            return self._adopt(keyring, working if wrapped else [keyring.newest], using)
        if not wrapped and not StorageEvent.objects.using(using).exists():
            return self._adopt(keyring, [keyring.newest], using)
        return []

    def _adopt(self, keyring: Keyring, fingerprints: list[str], using: str) -> list[str]:
        adopted = [one for one in fingerprints if not _is_adopted(keyring, one, using)]
        if strange := KeyCheck.objects.using(using).filter(pk__in=adopted).first():
            raise KeysLacking(
                f"The check value of {strange} was made by another key with the same fingerprint."
            )
        KeyCheck.objects.using(using).bulk_create(
            KeyCheck(
                fingerprint=one, check_value=keyring.check_value(one), adopted_at=self._clock()
            )
            for one in adopted
        )
        return adopted


def _lacking(keyring: Keyring, using: str) -> list[str]:
    """What is stored and these keys do not unwrap, in words; nothing where all is well."""
    return [one.trouble(keyring) for one in _one_of_each(using) if not one.unwrapped_by(keyring)]


def opened_to_write(keyring: Keyring, stream_id: UUID, wrapped: bytes) -> DataKey:
    """The key of a stream that is to be appended to. Raises StreamKeyUnavailable."""
    try:
        return keyring.unwrap(stream_id, wrapped)
    except KeyUnavailable as error:
        raise StreamKeyUnavailable(stream_id=stream_id, reason=str(error)) from error


class _Samples:
    """Some of what is wrapped by one key."""

    def __init__(self, fingerprint: str, wrapped: list[tuple[UUID, bytes, str]]) -> None:
        self.fingerprint = fingerprint
        self._wrapped = wrapped
        """Place, what is wrapped, and its name."""

    def unwrapped_by(self, keyring: Keyring) -> bool:
        return self._failure(keyring) is None

    def trouble(self, keyring: Keyring) -> str:
        name = self._wrapped[0][2]
        if isinstance(failure := self._failure(keyring), WrappingKeyMissing):
            return (
                f"The wrapping key {self.fingerprint} is not configured, and what it wraps cannot "
                f"be read, such as {name}. Put it back; if it is lost for good, see "
                "`manage.py declare_key_lost`."
            )
        return f"What the wrapping key {self.fingerprint} wraps cannot be read: {name}: {failure}."

    def _failure(self, keyring: Keyring) -> KeyUnavailable | None:
        """None where one of them can be unwrapped."""
        failure = None
        for place, wrapped, _ in self._wrapped:
            try:
                keyring.unwrap_secret(place, wrapped)
            except KeyUnavailable as error:
                failure = error
            else:
                return None
        return failure


def _one_of_each(using: str) -> Iterator[_Samples]:
    """Samples of every fingerprint under which something is stored."""
    secrets = list(WrappedSecret.objects.using(using).filter(wrapped__isnull=False).order_by("pk"))
    by_fingerprint: dict[bytes, list[tuple[UUID, bytes, str]]] = {}
    for secret in secrets:
        wrapped = bytes(secret.wrapped or b"")
        by_fingerprint.setdefault(wrapped[:FINGERPRINT], []).append(
            (place_of(secret.name), wrapped, f"the secret {secret.name}")
        )
    keys = StreamKey.objects.using(using).annotate(fingerprint=Fingerprint("wrapped"))
    last = b""
    # In the order of the index and never by an equality, for which SQLite may read the whole table.
    while found := [
        (stream_id, bytes(wrapped or b""), f"the key of stream {stream_id}")
        for stream_id, wrapped in keys.filter(fingerprint__gt=last)
        .order_by("fingerprint")
        .values_list("stream_id", "wrapped")[:SAMPLES]
    ]:
        last = found[0][1][:FINGERPRINT]
        same = [one for one in found if one[1][:FINGERPRINT] == last]
        by_fingerprint[last] = by_fingerprint.get(last, []) + same
        if len(by_fingerprint) > MOST:
            break
    for fingerprint, wrapped_by_it in sorted(by_fingerprint.items()):
        yield _Samples(fingerprint.hex(), wrapped_by_it)


def _migrated(using: str) -> bool:
    """A database that the event store does not run on is refused by whoever needs the log."""
    if connections[using].vendor not in ("sqlite", "postgresql"):
        return False
    return KeyCheck._meta.db_table in connections[using].introspection.table_names()


def _is_adopted(keyring: Keyring, fingerprint: str, using: str) -> bool:
    kept = KeyCheck.objects.using(using).filter(pk=fingerprint).first()
    return kept is not None and keyring.recognizes(bytes(kept.check_value))
