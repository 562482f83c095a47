"""Wrapping keys for tests, each a byte that is repeated, and keys that go bad."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import connection
from django.test import override_settings
from django.utils import timezone

from eventstore import wiring
from eventstore.infrastructure.keys import Keyring, fingerprint_of
from eventstore.infrastructure.triggers import drop_key_triggers, ensure_triggers
from eventstore.models import KeyCheck, StreamKey


def key(value: int) -> bytes:
    return bytes([value]) * 32


def fingerprint(value: int) -> str:
    return fingerprint_of(key(value))


@contextmanager
def wrapping_keys(*values: int, adopted: bool = True) -> Iterator[None]:
    """These are configured, the newest first, and may write to the log unless told else."""
    keys = [key(value) for value in values]
    ring = Keyring(keys)
    for one in ring.fingerprints if adopted else ():
        terms = {"check_value": ring.check_value(one), "adopted_at": timezone.now()}
        KeyCheck.objects.get_or_create(pk=one, defaults=terms)
    with forgotten(), override_settings(PERSONAL_DATA_KEYS=keys):
        yield


@contextmanager
def forgotten() -> Iterator[None]:
    """What this process knows to be adopted, perhaps in the database of another test."""
    wiring._key_checks.forget()
    try:
        yield
    finally:
        wiring._key_checks.forget()


@contextmanager
def unguarded() -> Iterator[None]:
    """The tables of keys, as who has dropped their triggers finds them."""
    drop_key_triggers(connection)
    yield
    ensure_triggers(connection)


def put_in_place_of(stream_id: UUID, wrapped: bytes | memoryview | None) -> None:
    """Another wrapped key, as nobody could without dropping the triggers."""
    with unguarded():
        StreamKey.objects.filter(pk=stream_id).update(wrapped=wrapped)
