"""Which log this is, so that who reads several never takes one for another."""

from uuid import UUID, uuid4

from eventstore.domain.exceptions import AnotherLog
from eventstore.models import LogIdentity, StorageEvent


def log_id() -> UUID:
    """Minted when it is first asked for; of several who ask at that moment, all get the same."""
    return _id_or(uuid4())


def accept_log(source: UUID, *, read_only: bool) -> None:
    """Messages of this log may feed the read models: of this system's own, or of the first met.

    `read_only` says that no command is taken here. Raises AnotherLog.
    """
    known = LogIdentity.objects.filter(pk=LogIdentity.ONLY).first()
    if known is None and not StorageEvent.objects.exists():
        if not read_only:
            reason = "this system takes commands, so its log would be another. Set READ_ONLY=true."
            raise AnotherLog(source=source, reason=reason)
        pinned = _id_or(source)
    else:
        pinned = known.log_id if known else log_id()
    if pinned != source:
        reason = f"the read models here are built from the log {pinned}."
        raise AnotherLog(source=source, reason=reason)


def _id_or(first: UUID) -> UUID:
    identity, _ = LogIdentity.objects.get_or_create(pk=LogIdentity.ONLY, defaults={"log_id": first})
    return identity.log_id
