"""Keys that make equal what people would call the same, kept beside the value as typed."""

import re
import unicodedata

_NOT_DIGITS = re.compile(r"\D+")
# Typographic apostrophes and hyphens, which keyboards and word processors exchange freely.
_PUNCTUATION = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "´": "'", "‐": "-", "–": "-"})


def folded(text: str) -> str:
    """Without case, accents, typographic variants and repeated white space: Muñoz -> munoz."""
    plain = text.translate(_PUNCTUATION)
    if plain.isascii():
        # Most of all text, in a tenth of the time.
        return " ".join(plain.casefold().split())
    decomposed = unicodedata.normalize("NFKD", plain)
    # The first that combines is U+0300.
    unaccented = "".join(c for c in decomposed if c < "\u0300" or not unicodedata.combining(c))
    return " ".join(unicodedata.normalize("NFKC", unaccented).casefold().split())


def email_key(email: str) -> str:
    """In any case the same address."""
    stripped = email.strip()
    return (stripped if stripped.isascii() else unicodedata.normalize("NFC", stripped)).casefold()


def phone_key(phone: str) -> str:
    """The digits alone, as ASCII; an international prefix 00 counts as +."""
    if phone.isascii():
        return _NOT_DIGITS.sub("", phone).removeprefix("00")
    digits = _NOT_DIGITS.sub("", unicodedata.normalize("NFKC", phone))
    return "".join(str(unicodedata.digit(d)) for d in digits).removeprefix("00")
