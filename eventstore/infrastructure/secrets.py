"""Random secrets that outlive every wrapping key, each made when its name is first asked for."""

import secrets
from uuid import NAMESPACE_OID, UUID, uuid5

from eventstore.infrastructure.keys import Keyring
from eventstore.models import WrappedSecret

BYTES = 32


def secret(keyring: Keyring, name: str) -> bytes:
    """The same for ever, also after the keys were rotated.

    Raises KeyUnavailable where the key that wraps it is not configured.
    """
    if (found := existing_secret(keyring, name)) is not None:
        return found
    wrapped = keyring.wrap(place_of(name), secrets.token_bytes(BYTES))
    fresh = WrappedSecret(name=name, wrapped=wrapped)
    # If two processes make it at once, the first row is kept, and both read that one.
    WrappedSecret.objects.bulk_create([fresh], ignore_conflicts=True)
    return _opened(keyring, WrappedSecret.objects.get(pk=name))


def existing_secret(keyring: Keyring, name: str) -> bytes | None:
    """None where none was made yet. Raises KeyUnavailable."""
    stored = WrappedSecret.objects.filter(pk=name).first()
    return None if stored is None else _opened(keyring, stored)


def place_of(name: str) -> UUID:
    """Where its wrapping belongs: it cannot be put in the place of another."""
    return uuid5(NAMESPACE_OID, f"secret {name}")


def _opened(keyring: Keyring, stored: WrappedSecret) -> bytes:
    return keyring.unwrap_secret(place_of(stored.name), bytes(stored.wrapped))
