"""Keys of e-mail addresses: two are equal where mail goes to the same place."""

import re
import unicodedata

import idna

from candidates.application.letters import casefolded, folded, folded_address, visible

_is_plain = re.compile(r"[+./0-9_a-z]+@[.0-9a-z]*[0-9a-z]").fullmatch
"""One address with nothing to fold, and in which names look as they do elsewhere."""
_BETWEEN = re.compile(r"[\s,;<>()\[\]\"]+")
_behind_a_domain = re.compile(r"(@[^@\s,;<>()\[\]\"|/\\&•]+)[|/\\&•](?=[^@\s]+@)").sub
"""Signs between two addresses. In front of an @ most of them may be a part of one."""
_PUNYCODE = "xn--"
LONGEST = 254
"""Characters of a key: no address has more (RFC 5321), and no index takes very many."""


def addresses(text: str) -> list[str]:
    """Returns the words with an @ in a text such as `Ann <ann@example.org>, ann@example.net`."""
    if "@" not in text and "＠" not in text and "﹫" not in text:
        return []
    plain = visible(unicodedata.normalize("NFKC", text))
    if plain.count("@") > 1:
        plain = _behind_a_domain(r"\1 ", plain)
    words = _BETWEEN.split(plain)
    return [word.removeprefix("mailto:").strip(".:'") for word in words if "@" in word]


def email_keys(text: str) -> list[str]:
    """Returns a key for each address in a text; two keys are equal if the addresses are the same.

    Neither the case nor the form of the domain counts (IDNA, UTS 46); ß and accents do.
    """
    plain = text.lower()
    if _is_plain(plain):
        return [plain]
    return [email_key(address) for address in addresses(text)]


def kept_addresses(text: str) -> tuple[list[str], list[str]]:
    """Returns the search words of the addresses in a text, and their look-up keys."""
    plain = text.lower()
    if _is_plain(plain):
        return [plain], [plain]
    keys = email_keys(text)
    return [*map(address_words, keys)], keys


def email_key(address: str) -> str:
    """Also of a part of an address, before or behind its @."""
    local, at, domain = address.rpartition("@")
    local = unicodedata.normalize("NFC", casefolded(local))
    return f"{local}{at}{domain_key(domain)}"[:LONGEST]


def domain_key(domain: str) -> str:
    """In Unicode, whether it is written so or as `xn--…`; what is no domain stays as it is."""
    try:
        plain = idna.uts46_remap(domain, std3_rules=False, transitional=False)
    except idna.IDNAError:
        plain = unicodedata.normalize("NFC", casefolded(domain))
    return visible(".".join(map(_in_unicode, plain.rstrip(".").split("."))))


def _in_unicode(label: str) -> str:
    if not label.startswith(_PUNYCODE):
        return label
    try:
        return idna.ulabel(label)
    except (idna.IDNAError, UnicodeError):
        return label


def searched_address(key: str) -> str:
    """An address, or the key of one, as it is searched for: without accents, while ß counts."""
    return folded_address(key)


def address_words(key: str) -> str:
    """Returns the search words of the address with this key.

    They are the address and, if `folded` writes its two names differently
    (`mary-ann@straße.example`), the folded names.
    """
    address = searched_address(key)
    local, _, domain = key.rpartition("@")
    names = folded(local), folded(domain)
    return address if "@".join(names) == address else " ".join((address, *names))


def domain_in_unicode(word: str) -> str:
    """A word of a search, part of an address perhaps, with what is in punycode as it is read."""
    return domain_key(word) if _PUNYCODE in word.casefold() else word
