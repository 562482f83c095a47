"""Keys of telephone numbers: as they are dialled at home, and with the country's prefix."""

import re
import unicodedata

from candidates.application.letters import folded, visible

_is_plain = re.compile(r"\+?[-0-9 ().]+(?:/[-0-9().][-0-9 ().]*)*").fullmatch
"""One number, without words or an extension."""
_NOT_DIGITS = re.compile(r"\D+")
_to_bracket = re.compile(r"[\d\s]*\)").match
_BESIDE_A_NUMBER = re.compile(
    r"(?<![^\W\d_])(?:tel|phone|mobile|mob|cell|fax|ext|extension|x)(?![^\W\d_])"
)
_EXTENSION = re.compile(r"[\s,;]*(?:ext\w*|x|#)\W*\d{1,6}\W*$", re.IGNORECASE)
_BETWEEN = re.compile(r"[,;|\n\r]|\s(?:/|or|and)\s|/(?=\s*\+)")
SHORTEST_NATIONAL = 7
"""Digits of a telephone number without the prefixes of its country, or more."""

# ITU-T E.164: a country's prefix is 1, 7, one of these, or has three digits.
# fmt: off
_TWO_DIGITS = {
    *map(str, (20, 27, *range(30, 35), 36, 39, 40, 41, *range(43, 50), *range(51, 59),
               *range(60, 67), 81, 82, 84, 86, *range(90, 96), 98))
}
# fmt: on
# ITU, Operational Bulletin, national prefixes: dialled at home before the number, where it is
# not 0 or nothing.
_AT_HOME = {"1": "1", "7": "8", "36": "06", "52": "01", "370": "8", "375": "80", "998": "8"}
_FIRST_AT_HOME = {prefix.lstrip("0")[0] for prefix in _AT_HOME.values()}

_WITHOUT_ZERO = {"1", "7"}
"""Where nobody dials a 0 before a number: North America, Russia and Kazakhstan."""


def phone_key(phone: str) -> str:
    """The digits alone, as ASCII; an international prefix 00 counts as +, and (0) as nothing."""
    return _digits(phone).removeprefix("00")


def _digits(phone: str) -> str:
    if not phone.isascii():
        phone = _in_ascii(phone)
    return _NOT_DIGITS.sub("", _without_trunk_prefix(phone) if "(0" in phone else phone)


def _in_ascii(phone: str) -> str:
    """With the digits of whatever script, and their signs, as ASCII."""
    plain = visible(unicodedata.normalize("NFKC", phone))
    return "".join([str(unicodedata.digit(c)) if c.isdecimal() else c for c in plain])


def _without_trunk_prefix(phone: str) -> str:
    """As in +49 (0)30 or +49 (030): dialled at home instead of the country's prefix."""
    at = phone.index("(0")
    behind_digits = phone[:at].rstrip()[-1:].isdecimal()
    if behind_digits and _to_bracket(phone, at + 2):
        return f"{phone[: at + 1]}{phone[at + 2 :]}"
    return phone


def is_international(phone: str) -> bool:
    """Whether a country's prefix is written, behind + or 00."""
    return "+" in unicodedata.normalize("NFKC", phone) or _digits(phone).startswith("00")


def at_home(phone: str) -> list[str]:
    """Returns the ways to dial this number in its own country, without zeros in front.

    There are two if the country has a national prefix other than 0. There is none if the number
    is written without a country's prefix.
    """
    if not is_international(phone):
        return []
    prefix, home = _parts(phone_key(phone))
    return _dialled(prefix, home)


def _parts(digits: str) -> tuple[str, str]:
    """The country's prefix, and the rest without zeros in front."""
    length = 1 if digits[:1] in ("1", "7") else 2 if digits[:2] in _TWO_DIGITS else 3
    return digits[:length], digits[length:].lstrip("0")


def _dialled(prefix: str, home: str) -> list[str]:
    if not home:
        return []
    return [home, f"{_AT_HOME[prefix].lstrip('0')}{home}"] if prefix in _AT_HOME else [home]


def kept_numbers(text: str) -> tuple[list[str], list[str]]:
    """Returns the digits of the telephone numbers in a text, and their look-up keys.

    Each number has two keys. One is what is dialled for it at home, without zeros in front; behind
    a ~ where nobody dials a 0 there. The other is, behind a +, the number with its country's
    prefix; where none is written, behind a -, the number as it is, with one 0 at most. See
    `asked_keys`. Where each part of a text could be a number, the text holds several.
    """
    if not text.isascii():
        text = _in_ascii(text)
    if _is_plain(text):
        # A third of the time that patterns take.
        digits = _without_trunk_prefix(text) if "(0" in text else text
        for sign in " -.()/":
            digits = digits.replace(sign, "")
        if digits[:1] == "+" or digits[:2] == "00":
            digits = digits[2:] if digits[0] == "0" else digits[1:]
            return [digits] if digits else [], _kept_keys(digits, True)
        return [digits] if digits else [], _kept_keys(digits, False)
    numbers = [text]
    if _BETWEEN.search(text):
        parts = _BETWEEN.split(text)
        if all(len(_digits(part)) >= SHORTEST_NATIONAL for part in parts):
            numbers = parts
    keys = [key for number in numbers for key in _kept_keys(*_number(number))]
    return [digits for number in numbers if (digits := phone_key(number))], keys


def _kept_keys(digits: str, international: bool) -> list[str]:
    if international:
        prefix, home = _parts(digits.lstrip("0"))
        if not home:
            return []
        if prefix in _WITHOUT_ZERO:
            return [f"~{home}", f"+{prefix}{home}"]
        return [*_dialled(prefix, home), f"+{prefix}{home}"]
    home = _home(digits)
    return [home, f"-0{home}" if digits[0] == "0" else f"-{home}"] if home else []


def asked_keys(phone: str) -> list[str]:
    """One of these is among the keys of each number that this may be, and of no other.

    A number with its country's prefix is the same with it, and any that is kept without one and
    dialled so in that country. One without may be of any country where it is dialled so.
    """
    digits, international = _number(phone)
    prefix, home = _parts(digits.lstrip("0"))
    whole = f"+{prefix}{home}"
    if international:
        # The + gets lost in addresses of pages and in spreadsheets, so it may be missing there.
        kept = [] if prefix in _WITHOUT_ZERO else [f"-0{one}" for one in _dialled(prefix, home)]
        kept += [f"-{one}" for one in (*_dialled(prefix, home), f"{prefix}{home}")]
        return [whole, *kept] if home else []
    own = _home(digits)
    if not own:
        return []
    return [own] if digits[0] == "0" else [own, f"~{own}", whole]


def asked_tail(phone: str) -> str:
    """The digits, of which those of each number that has one of `asked_keys` hold all in a row.

    What is kept may have zeros where a key has none, as in +39 06, and no national prefix where
    a key has one. All of that stands in front of what is left here.
    """
    digits, international = _number(phone)
    own = "" if international else _home(digits)
    tails = [own, own[1:].lstrip("0") if own[:1] in _FIRST_AT_HOME else ""]
    if international or digits[:1] != "0":
        tails.append(_parts(digits.lstrip("0"))[1])
    return min(filter(None, tails), key=len, default="")


def _home(digits: str) -> str:
    """Without the national prefix: 0, or in front of ten digits 1 (North America) or 8 (Russia)."""
    if len(digits) == 11 and digits[0] in "18":
        return digits[1:]
    return digits.lstrip("0")


def _number(phone: str) -> tuple[str, bool]:
    """Its digits without those of an extension, and whether they begin with a country's prefix."""
    if not phone.isascii():
        phone = _in_ascii(phone)
    if "x" in phone or "X" in phone or "#" in phone:
        phone = _EXTENSION.sub("", phone)
    digits = _digits(phone)
    return digits, "+" in phone or digits.startswith("00")


def may_be_phone(text: str) -> bool:
    """Nothing is written here but signs, digits, and the words that stand beside a number."""
    return not any(map(str.isalpha, _BESIDE_A_NUMBER.sub("", folded(text))))
