"""Finds names, e-mail addresses and telephone numbers in a profile under their usual keys."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from candidates.application.addresses import addresses
from candidates.application.phones import may_be_phone

EMAIL, PHONE, CONTACT = "email", "phone", "contact"
"""Kinds of keys; a contact holds keys of the other two."""
FULL_NAME, GIVEN_NAME, FAMILY_NAME = "full name", "given name", "family name"

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+|\d+")
# fmt: off
_KINDS = {
    **dict.fromkeys((
        "email", "emails", "mail", "mails", "emailaddress", "emailaddresses", "mailaddress",
        "mailaddresses",
    ), EMAIL),
    **dict.fromkeys((
        "phone", "phones", "phonenumber", "phonenumbers", "telephone", "telephones",
        "telephonenumber", "telephonenumbers", "tel", "mobile", "mobiles", "mobilephone",
        "mobilephones", "mobilenumber", "mobilenumbers", "cell", "cells", "cellphone",
        "cellphones", "landline", "handy", "telefon", "telefono", "telefone", "whatsapp",
    ), PHONE),
    **dict.fromkeys(("contact", "contacts", "basics", "personal", "communication"), CONTACT),
}
_BESIDE = {
    "e", "address", "addresses", "number", "numbers", "no", "nr", "num", "list", "home", "work",
    "private", "personal", "business", "office", "main", "primary", "secondary", "first", "second",
    "other", "others", "alternative", "alternate", "alt", "contact", "contacts", "candidate",
    "applicant", "preferred", "current", "my", "day", "daytime", "evening", *"123456789",
}
_BESIDE_CONTACT = {"info", "information", "details", "data", "point", "points"}
_NAME_KINDS = {
    **dict.fromkeys(("fullname", "full name", "displayname", "display name"), FULL_NAME),
    **dict.fromkeys((
        "firstname", "first name", "givenname", "given name", "given names", "forename",
        "forenames", "given", "first",
    ), GIVEN_NAME),
    **dict.fromkeys((
        "lastname", "last name", "familyname", "family name", "surname", "family", "last",
    ), FAMILY_NAME),
}
# fmt: on
# In an object, beside its label: `{"type": "work", "value": "ann@example.org"}`.
_VALUE_KEYS = {"value", "number", "address", "e164", "raw", "text", "formatted"}
_LABEL_KEYS = ("type", "kind", "system")


def _words(key: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(key)]


@lru_cache(maxsize=4096)
def kind_of(key: str) -> str:
    """EMAIL, PHONE or CONTACT, in whatever style the key is written; "" for all others."""
    words = _words(key)
    kinds = {_KINDS.get(word, "") for word in words}
    if kinds & {EMAIL, PHONE}:
        known = all(_KINDS.get(word) in (EMAIL, PHONE) or word in _BESIDE for word in words)
        telling = EMAIL if EMAIL in kinds else PHONE
        return telling if known else ""
    known = all(_KINDS.get(word) == CONTACT or word in _BESIDE_CONTACT for word in words)
    return CONTACT if CONTACT in kinds and known else ""


def values(kind: str, value: object) -> Iterator[tuple[str, str]]:
    """`(EMAIL or PHONE, text)` of each that is found under a key of this kind.

    That is text or a number, a list of such, an object that holds one beside its label or several
    under their labels, or a list of those.
    """
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from values(kind, one)
    elif isinstance(value, Mapping):
        yield from _of_object(kind, value)
    elif kind != CONTACT and isinstance(value, (str, int)) and not isinstance(value, bool):
        text = str(value)
        if looks_like(kind, text):
            yield kind, text


def looks_like(kind: str, text: str) -> bool:
    """Whether this may be an address or a number, and is not the label of one."""
    if kind == EMAIL:
        return bool(addresses(text))
    return may_be_phone(text) and any(map(str.isdecimal, text))


def _of_object(kind: str, found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    told = {key: kind_of(key) for key in found}
    if kind == CONTACT:
        labels = (found.get(label) for label in _LABEL_KEYS)
        kind = next((k for label in labels if isinstance(label, str) and (k := kind_of(label))), "")
    keys = [key for key in found if told[key] in (EMAIL, PHONE)]
    if kind in (EMAIL, PHONE):
        holding = [key for key in found if key.lower() in _VALUE_KEYS and key not in keys]
        keys = [*keys, *holding] if holding else [key for key in found if key not in _LABEL_KEYS]
    for key in keys:
        inside = found[key]
        # One level: what is deeper belongs to something else.
        if isinstance(inside, (list, tuple)):
            inside = [one for one in inside if not isinstance(one, (list, tuple, Mapping))]
        if not isinstance(inside, Mapping):
            yield from values(told[key] or kind, inside)


def name_of(profile: Mapping[str, Any], text: Any) -> str:
    """Under whatever key: the whole name, or the given one before the family's; "" for none.

    `text(value)` is what a column shows of a value.
    """
    named = profile.get("name")
    found: dict[str, str] = {}
    for key, value in (*profile.items(), *(named.items() if isinstance(named, Mapping) else ())):
        kind = _NAME_KINDS.get(" ".join(_words(key)))
        if kind and (shown := text(value)):
            found.setdefault(kind, shown)
    return found.get(FULL_NAME) or " ".join(
        found[kind] for kind in (GIVEN_NAME, FAMILY_NAME) if kind in found
    )
