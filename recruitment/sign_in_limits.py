"""Limits failed sign-ins, before a password is hashed.

Three things are held against somebody: failures of an address, of a name, and of a name at an
address. Where a name has signed in from an address before, only the last counts, so that nobody
elsewhere, and no neighbour behind the same address, keeps people out.

Each limit is the generic cell rate algorithm (ITU-T I.371): one number, the time at which nothing
is held any more, which an attempt puts off before its password is looked at and a success takes
back. So attempts at the same moment count one another, and a row says when it may be deleted.
(django-axes counts behind the hash, so that guesses at the same moment all pass; it has one limit
for addresses and names, and rows that grow with what attackers send.)
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.db.models import F
from django.utils.crypto import salted_hmac

from recruitment.client_address import network_of
from recruitment.models import FailedSignIns, KnownAddress

MOST_KEPT = 100_000
"""Rows. Beyond, those go first that would be forgotten first."""
PORTION = 500
MOST_KNOWN = 100
"""Addresses of a user. Beyond, the one goes that was not seen for longest."""
_ADDRESS, _NAME, _NAME_AT_ADDRESS = "address", "name", "name_at_address"
"""In the order in which their rows are locked."""
_CHARGE = (
    "INSERT INTO recruitment_failedsignins AS kept (key, forgotten_at) VALUES {rows} "
    "ON CONFLICT (key) DO UPDATE SET forgotten_at = "
    "CASE WHEN kept.forgotten_at > %s THEN kept.forgotten_at ELSE %s END "
    "+ excluded.forgotten_at - %s RETURNING key, forgotten_at"
)


@dataclass(eq=False)
class TooManyFailures(Exception):
    wait: int
    """Seconds until the next attempt is looked at: 1 or more."""

    def __str__(self) -> str:
        return f"Too many failed attempts. Try again in {in_words(self.wait)}."


def in_words(seconds: int) -> str:
    """Minutes, rounded up, where it is more than one."""
    count, unit = (seconds, "second") if seconds <= 60 else (math.ceil(seconds / 60), "minute")
    return f"{count} {unit}{'' if count == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class _Limit:
    of: str
    key: str
    most: int
    """Failures at once."""
    each: float
    """Seconds after which one of them is forgotten."""

    def wait(self, now: float, forgotten_at: float) -> float:
        return forgotten_at - now - self.most * self.each


@dataclass(frozen=True, slots=True)
class Attempt:
    """One that is allowed, and counts as failed until it succeeds."""

    address: str
    limits: Sequence[_Limit]


def attempt(name: str, address: str, now: datetime) -> Attempt:
    """Counts an attempt of this name from this address. Raises TooManyFailures, and counts none."""
    network = network_of(address)
    of_all = {
        _ADDRESS: (network,),
        _NAME: (name,),
        _NAME_AT_ADDRESS: (name, network),
    }
    kinds = [_NAME_AT_ADDRESS] if _is_known(name, network) else list(of_all)
    limits = [
        _Limit(of, _digest(of, *of_all[of]), rate[0], rate[1] / rate[0])
        for of in kinds
        if (rate := settings.SIGN_IN_THROTTLES[of]) is not None
    ]
    if limits:
        _charge(limits, now.timestamp())
        _forget(now.timestamp())
    return Attempt(network, limits)


@transaction.atomic
def succeeded(attempt: Attempt, user: User, now: datetime) -> None:
    """Holds nothing more against this name at this address, which is known from now on.

    Of what others failed at from this address, or with this name, nothing is forgotten.
    """
    for limit in attempt.limits:
        held = FailedSignIns.objects.filter(key=limit.key)
        if limit.of == _NAME_AT_ADDRESS:
            held.delete()
        else:
            held.update(forgotten_at=F("forgotten_at") - limit.each)
    KnownAddress.objects.update_or_create(
        user=user, address=_digest("known", attempt.address), defaults={"seen_at": now}
    )
    newest = KnownAddress.objects.filter(user=user).order_by("-seen_at", "-pk")
    surplus = list(newest.values_list("pk", flat=True)[MOST_KNOWN:])
    KnownAddress.objects.filter(pk__in=surplus).delete()


def _is_known(name: str, network: str) -> bool:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [_digest("known", network, secret=secret) for secret in secrets]
    return KnownAddress.objects.filter(user__username=name, address__in=digests).exists()


@transaction.atomic
def _charge(limits: Sequence[_Limit], now: float) -> None:
    """All of them or, by the roll-back of what raises, none."""
    rows = ", ".join(["(%s, %s)"] * len(limits))
    charged = [value for limit in limits for value in (limit.key, now + limit.each)]
    with connection.cursor() as cursor:
        cursor.execute(_CHARGE.format(rows=rows), [*charged, now, now, now])
        forgotten_at: dict[str, float] = dict(cursor.fetchall())
    # Sums of seconds since 1970 are exact to less than a hundredth.
    wait = round(max(limit.wait(now, forgotten_at[limit.key]) for limit in limits), 2)
    if wait > 0:
        raise TooManyFailures(math.ceil(wait))


@transaction.atomic
def _forget(now: float) -> None:
    """A portion at a time, which is more than one attempt adds; rows in use are passed over."""
    kept = FailedSignIns.objects.order_by("forgotten_at").select_for_update(skip_locked=True)
    over = min(PORTION, max(0, FailedSignIns.objects.count() - MOST_KEPT))
    for gone in (kept.filter(forgotten_at__lte=now)[:PORTION], kept[:over]):
        keys = [one.pk for one in gone]
        FailedSignIns.objects.filter(pk__in=keys).delete()


def _digest(*parts: str, secret: str | None = None) -> str:
    text = "\0".join(parts)
    digest = salted_hmac("recruitment.sign_in_limits", text, secret, algorithm="sha256")
    return str(digest.hexdigest())
