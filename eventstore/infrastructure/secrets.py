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
    # If two processes make it at once, the first is kept, and both read that one.
    WrappedSecret.objects.get_or_create(pk=name, defaults={"wrapped": wrapped})
    WrappedSecret.objects.filter(pk=name, wrapped__isnull=True).update(wrapped=wrapped)
    return _opened(
        keyring, name, WrappedSecret.objects.values_list("wrapped", flat=True).get(pk=name)
    )


def existing_secret(keyring: Keyring, name: str) -> bytes | None:
    """None where none was made yet, or its key was declared lost. Raises KeyUnavailable."""
    wrapped = WrappedSecret.objects.filter(pk=name).values_list("wrapped", flat=True).first()
    return None if wrapped is None else _opened(keyring, name, wrapped)


def place_of(name: str) -> UUID:
    """Where its wrapping belongs: it cannot be put in the place of another."""
    return uuid5(NAMESPACE_OID, f"secret {name}")


def _opened(keyring: Keyring, name: str, wrapped: bytes | memoryview | None) -> bytes:
    return keyring.unwrap_secret(place_of(name), bytes(wrapped or b""))
