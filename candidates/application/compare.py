"""Keys that make equal what people would call the same, kept beside the value as typed."""

import re
import unicodedata
from collections.abc import Iterable

INDEXED = 3
"""Characters that an index of trigrams needs."""
_NOT_DIGITS = re.compile(r"\D+")
# As in +49 (0)30 or +49 (030): dialled at home instead of the country's prefix.
_TRUNK_PREFIX = re.compile(r"(?<=\d)(\s*\()0(?=[\d\s]*\))")
_BESIDE_A_NUMBER = re.compile(r"(?<![^\W\d_])(?:tel|phone|ext|extension|x)(?![^\W\d_])")
SHORTEST_NATIONAL = 7
"""Digits of a telephone number without the prefixes of its country."""
# Typographic apostrophes and hyphens, which keyboards and word processors exchange freely.
_PUNCTUATION = [(typed, "'") for typed in "’‘ʼ`´"] + [(typed, "-") for typed in "‐‑–"]


def folded(text: str) -> str:
    """Without case, accents, typographic variants and repeated white space: Muñoz -> munoz."""
    plain = text
    # A fifth of the time that `translate` takes for them all.
    for typed, usual in _PUNCTUATION:
        plain = plain.replace(typed, usual)
    if plain.isascii():
        # Most of all text, in a tenth of the time.
        return " ".join(plain.casefold().split())
    decomposed = unicodedata.normalize("NFKD", plain)
    # The first that combines is U+0300.
    unaccented = "".join(c for c in decomposed if c < "\u0300" or not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFKC", unaccented).casefold().split())


def phone_key(phone: str) -> str:
    """The digits alone, as ASCII; an international prefix 00 counts as +, and (0) as nothing."""
    return _digits(phone).removeprefix("00")


def _digits(phone: str) -> str:
    if "(0" in phone:
        phone = _TRUNK_PREFIX.sub(r"\1", phone)
    if phone.isascii():
        return _NOT_DIGITS.sub("", phone)
    digits = _NOT_DIGITS.sub("", unicodedata.normalize("NFKC", phone))
    return "".join(str(unicodedata.digit(d)) for d in digits)


def national_keys(phone: str) -> list[str]:
    """Parts of search keys that those may have who keep this number as it is dialled at home.

    A country's prefix has one to three digits; what is dialled at home instead is a 0 in most
    countries, an 8 in some that were Soviet republics, and nothing in others. There are no such
    parts for a number without a country's prefix.
    """
    if "+" not in unicodedata.normalize("NFKC", phone) and not _digits(phone).startswith("00"):
        return []
    digits = phone_key(phone)
    at_home = [digits[length:] for length in (1, 2, 3)]
    return [
        f" {trunk}{rest}"
        for rest in at_home
        for trunk in ("", "0", "8")
        if len(rest) >= SHORTEST_NATIONAL
    ]


def may_be_phone(text: str) -> bool:
    """Nothing is written here but signs, digits, and the words that stand beside a number."""
    return not any(map(str.isalpha, _BESIDE_A_NUMBER.sub("", folded(text))))


def search_key(texts: Iterable[str], tags: Iterable[str]) -> str:
    """What is searched, in one text: each word behind a space, each tag on a line of its own.

    So the beginning of a word and the whole of a tag are parts of the text that an index finds.
    """
    words = folded(" ".join([text for text in texts if text]))
    key = f" {words}" if words else ""
    return f"{key}\n {folded_tags}\n" if (folded_tags := "\n ".join(map(folded, tags))) else key


def tag_key(tag: str) -> str:
    """The part of a search key that those with this tag have."""
    return f"\n {folded(tag)}\n"


def word_key(word: str) -> str:
    """The part of a search key that those with this word have; `word` is folded.

    A word of one or two letters counts at the beginning of others only: inside them it would be
    found in nearly everybody, and in no index.
    """
    return word if len(word) >= INDEXED else f" {word}"


def letters(text: str) -> int:
    """How many letters a text is worth: a wide character of an East Asian script is a syllable."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
