"""Which log this is, so that who reads several never takes one for another."""

from uuid import UUID, uuid4

from eventstore.models import LogIdentity


def log_id() -> UUID:
    """Minted when it is first asked for; of several who ask at that moment, all get the same."""
    identity, _ = LogIdentity.objects.get_or_create(
        pk=LogIdentity.ONLY, defaults={"log_id": uuid4()}
    )
    return identity.log_id
