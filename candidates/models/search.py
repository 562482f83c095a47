"""How candidates are searched: which parts of which columns the database is asked for."""

import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db import connections, models
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Concat
from django.db.models.lookups import Contains, Exact, IsNull

from candidates.application.addresses import email_key, email_keys, searched_address
from candidates.application.compare import INDEXED, spellings, tag_key, word_key
from candidates.application.letters import folded, visible
from candidates.application.phones import (
    SHORTEST_NATIONAL,
    asked_keys,
    asked_tail,
    at_home,
    may_be_phone,
    phone_key,
)
from candidates.application.projector import KEYS, LIFTED_LENGTH
from candidates.application.what_if import INVITED, UNDECIDED

if TYPE_CHECKING:
    from candidates.models import CandidateProjection  # noqa: F401  # named in a string

ASKED = 8
"""Letters or digits: the index goes through a list for each, while few have so many. The last
ones, since what stands in front is a country's prefix or the like and is in many."""
SHORTEST_PHONE = 4
"""Digits: fewer would find half of everybody."""
WHOLE_NUMBER = 10
"""Digits of a telephone number, or more, that are no part of a longer one."""


def _contains(text: str, asked: str) -> models.Q:
    """Has this text, of which the index is asked for the last letters or digits of a part."""
    asked = asked[-ASKED:]
    if asked == text:
        return models.Q(search_key__contains=text)
    return models.Q(search_key__contains=asked) & _seen_to_contain(text)


def _seen_to_contain(text: str) -> models.Q:
    """By an expression that no index is made of."""
    return models.Q(Contains(Concat("search_key", models.Value("", models.TextField())), text))


class HasKey(models.Func):
    """Whether a column of keys, one a line, holds one of these.

    PostgreSQL finds the whole keys in an index, which the migration makes of this very expression.
    SQLite walks the texts that are searched, as it does for every search, and reads the keys of
    those alone in which it finds `hint`.
    """

    def __init__(self, column: str, *keys: str, hint: str) -> None:
        super().__init__(column, "search_key", output_field=models.BooleanField())
        self.keys, self.hint = keys, hint

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        column, params = compiler.compile(self.source_expressions[0])
        # `likely` follows from the array condition; it helps the planner. From the array condition
        # alone PostgreSQL would expect one row in two hundred for each key, if keys are too
        # different for statistics, and would look for them by walking the list in its order.
        likely = " OR ".join([f"{column} LIKE %s"] * len(self.keys))
        patterns = [f"%{connection.ops.prep_for_like_query(key)}%" for key in self.keys]
        return (
            f"(string_to_array({column}, E'\\n') && %s::text[] AND ({likely}))",
            [*params, [*self.keys], *(one for pattern in patterns for one in (*params, pattern))],
        )

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> Any:
        column, params = compiler.compile(self.source_expressions[0])
        searched, no_params = compiler.compile(self.source_expressions[1])
        one = f"instr(char(10) || {column} || char(10), char(10) || %s || char(10))"
        keys = " OR ".join([one] * len(self.keys))
        asked = [value for key in self.keys for value in (*params, key)]
        return f"(instr({searched}, %s) AND ({keys}))", [*no_params, self.hint, *asked]


class Trimmed(models.Func):
    function = "TRIM"
    output_field = models.TextField()


_WHITE_SPACE = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""The characters that `str.strip` removes."""


def _has_email(text: str) -> models.Q:
    keys = email_keys(text)
    if len(keys) != 1:
        return _NOBODY
    return models.Q(HasKey("email_keys", keys[0], hint=searched_address(keys[0])))


def _has_phone(text: str) -> models.Q:
    keys = asked_keys(text)
    if not keys:
        return _NOBODY
    return models.Q(HasKey("phone_keys", *keys, hint=asked_tail(text)))


_NOBODY = models.Q(pk__in=[])


def _contains_number(phone: str) -> models.Q:
    """Has these digits, or those with which the number is dialled in its own country."""
    digits = phone_key(phone).lstrip("0")
    dialled = [f" {zero}{one}" for one in at_home(phone) for zero in ("", "0")]
    dialled = [one for one in dialled if len(one.strip()) >= SHORTEST_NATIONAL]
    if not dialled:
        return _contains(digits, digits)
    written = reduce(or_, map(_seen_to_contain, dialled), _seen_to_contain(digits))
    return models.Q(search_key__contains=digits[-SHORTEST_NATIONAL:]) & written


def _is_whole_number(phone: str) -> bool:
    """Whether all of a number seems to be written, and not a part of one."""
    digits = phone_key(phone)
    shortest = SHORTEST_NATIONAL if phone.startswith(("+", "0")) else WHOLE_NUMBER
    return len(digits) >= shortest


def _contains_address(address: str) -> models.Q:
    """Has this address, or this part of one.

    The index is asked for what stands before the domain. Everybody's trigrams of a domain take
    PostgreSQL longer to go through than all candidates who have the rest.
    """
    local, at, domain = address.partition("@")
    if len(local) < INDEXED or not domain:
        key = word_key(address)
        return _contains(key, key)
    return _contains(address, local + at)


def _contains_one(ways: Iterable[str]) -> models.Q:
    return reduce(or_, (_contains(way, way) for way in ways))


def _has_value(column: str, text: str) -> models.Q:
    """Matches candidates whose profile has exactly this value.

    A column holds only the beginning of a long value, so the profile is compared as well.
    """
    shown = models.Q(**{column: text[:LIFTED_LENGTH]})
    if len(text) < LIFTED_LENGTH:
        return shown
    profile = Cast("profile", models.JSONField())
    kept = Trimmed(KeyTextTransform(KEYS[column], profile), models.Value(_WHITE_SPACE))
    return shown & models.Q(Exact(kept, text))


class CandidateQuerySet(models.QuerySet["CandidateProjection"]):
    def search(self, text: str) -> Self:
        """Those with all these words in name, e-mail, position, location, external id or tags; or
        whose phone has these digits, with or without the country's prefix; or whose id this is.

        Spelling counts as little as in `letters`. Where candidates have the whole of an address or
        a number, they are found and not those who have it as a part of theirs.
        """
        plain = visible(unicodedata.normalize("NFKC", text))
        found = _NOBODY
        for word in plain.split():
            if "@" in word:
                has = self._by_address(word)
            elif ways := spellings(word):
                has = reduce(and_, map(_contains_one, ways))
            else:
                continue
            found = has if found is _NOBODY else found & has
        if len(phone_key(plain).lstrip("0")) >= SHORTEST_PHONE and may_be_phone(plain):
            found = self._by_phone(plain, found)
        with suppress(ValueError):
            found |= models.Q(pk=UUID(text.strip()))
        return self.filter(found)

    def _by_phone(self, text: str, words: models.Q) -> models.Q:
        """Matches candidates with this whole number or, if there are none, with these digits."""
        # In several parts it is a number and nothing else.
        several = len(text.split()) > 1
        parts = _contains_number(text) if several else _contains_number(text) | words
        if not _is_whole_number(text):
            return parts
        tail = asked_tail(text)[-SHORTEST_NATIONAL:]
        among = models.Q(search_key__contains=tail)
        if not (phone_key(text).endswith(tail) and (several or tail in folded(text))):
            among |= parts
        beside = _has_value("external_id", text.strip())
        return self._whole_or(parts, _has_phone(text), beside=beside, among=among)

    def _by_address(self, word: str) -> models.Q:
        """Matches candidates with this whole address or, if there are none, with it as a part."""
        key = next(iter(email_keys(word)), email_key(word))
        parts = _contains_address(searched_address(key))
        if "." not in key.rpartition("@")[2]:
            return parts
        return self._whole_or(parts, _has_email(key), beside=_NOBODY, among=parts)

    def _whole_or(
        self, parts: models.Q, whole: models.Q, *, beside: models.Q, among: models.Q
    ) -> models.Q:
        """Returns a condition: `whole` or `beside`; or `parts` if no candidate matches `whole`.

        `among` is a condition on the search key alone that holds for all of them.
        """
        them = self.model._default_manager.using(self.db).filter(whole)
        if connections[self.db].vendor == "postgresql":
            # The index tells at once, and parts take it many times as long.
            return whole | beside if them.exists() else parts
        # A walk takes as long for one as for the other. This begins a second one only where it
        # meets a part, and ends that where it meets a whole.
        one = them.order_by("-added_position").values("added_position")[:1]
        return among & (whole | beside | (parts & models.Q(IsNull(models.Subquery(one), True))))

    def with_value(self, column: str, text: str) -> Self:
        """Those whose profile has this very value, without white space around it."""
        return self.filter(_has_value(column, text))

    def with_email(self, email: str) -> Self:
        """Those with this e-mail address among theirs: see `addresses.email_keys`."""
        return self.filter(_has_email(email))

    def with_phone(self, phone: str) -> Self:
        """Those with this telephone number among theirs: see `phones.asked_keys`."""
        return self.filter(_has_phone(phone))

    def tagged(self, tag: str) -> Self:
        """Those with this tag, the whole of it, in any case and with any accents."""
        return self.filter(search_key__contains=tag_key(tag))

    def affected_by(self, threshold: float) -> Self:
        """Those for whom this threshold would change something: see `what_if`."""
        would_pass = models.Q(status__in=UNDECIDED, score__gte=threshold)
        return self.filter(would_pass | models.Q(status__in=INVITED, score__lt=threshold))
