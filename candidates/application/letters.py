"""Folds text to what people type for it: Łukasz -> lukasz, O'Brien -> obrien, ｱﾍﾞ -> アベ."""

import re
import unicodedata
from collections.abc import Iterable, Mapping

_Ranges = Iterable[tuple[int, int]]

# Marks that writers leave out. Those of other scripts are letters of their own: vowel signs of
# India, Thailand and Tibet, the voice of kana.
_ACCENTS: _Ranges = (
    (0x0300, 0x036F),  # Latin, Greek and Cyrillic, with their supplements below
    (0x0483, 0x0489),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x20D0, 0x20FF),
    (0xFE20, 0xFE2F),
    (0x0591, 0x05BD),  # Hebrew points, without the hyphen at U+05BE
    (0x05BF, 0x05BF),
    (0x05C1, 0x05C2),
    (0x05C4, 0x05C5),
    (0x05C7, 0x05C7),
    (0x0610, 0x061A),  # Arabic vowels
    (0x0640, 0x0640),  # and the stroke that only stretches a word
    (0x064B, 0x065F),
    (0x0670, 0x0670),
    (0x06D6, 0x06DC),
    (0x06DF, 0x06E8),
    (0x06EA, 0x06ED),
    (0x0898, 0x089F),
    (0x08CA, 0x08E1),
    (0x08E3, 0x08FF),
    (0x0711, 0x0711),  # Syriac
    (0x0730, 0x074A),
    (0x093C, 0x093C),  # the dot below of Devanagari, which Hindi often omits
)
# Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt of Unicode 16), and
# the marks of interlinear annotation.
_INVISIBLE: _Ranges = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# Scripts that put no space between words.
_UNSPACED: _Ranges = (
    (0x0E00, 0x0FFF),  # Thai, Lao, Tibetan
    (0x1000, 0x109F),  # Myanmar
    (0x1100, 0x11FF),  # Hangul, in parts
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue
    (0x1A20, 0x1AAF),  # Tai Tham
    (0x1B00, 0x1B7F),  # Balinese
    (0x2E80, 0x2FDF),  # parts of CJK
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x303C),
    (0x3040, 0x30FA),  # kana
    (0x30FC, 0x31FF),  # and the rest of kana, Bopomofo
    (0x3400, 0x4DBF),  # CJK
    (0x4E00, 0x9FFF),
    (0xA000, 0xA4CF),  # Yi
    (0xA960, 0xA97F),
    (0xA980, 0xA9FF),  # Javanese, Myanmar
    (0xAA60, 0xAADF),  # Myanmar, Tai Viet
    (0xAC00, 0xD7FF),  # Hangul
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),  # kana
    (0x20000, 0x3FFFF),  # CJK
)


def _class(ranges: _Ranges) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


APOSTROPHES = "'`´‘’‚‛❛❜❟ʹʻʼʽʾʿˀˁˈˊˋʔʕɁɂ′‵՚׳ߴߵꞋꞌ΄᾽᾿`´῾＇｀"
"""Apostrophes of all scripts, signs typed in their place, and letters for the glottal stop."""
HYPHENS = "-‐‑‒–—―⁃−﹘﹣－·‧・･゠⸗֊־"
"""Those that join words in names, with the middle dots of Catalan and of kana."""
# Unicode decomposes them to a space and a mark.
_SPACED = [sign for sign in APOSTROPHES if unicodedata.normalize("NFKD", sign).startswith(" ")]
_ACCENT = re.compile(f"[{_class(_ACCENTS)}]")
_UNSEEN = re.compile(f"[{_class(_INVISIBLE)}\\x00-\\x08\\x0e-\\x1b\\x7f-\\x84\\x86-\\x9f]")
UNSPACED = re.compile(f"[{_class(_UNSPACED)}]")
JOINED = re.compile(f"[{re.escape(APOSTROPHES + HYPHENS)}]")

# Letters that do not decompose and whose base Unicode's names do not tell, as CLDR's transform
# Latin-ASCII has them; the schwa as on passports (ICAO 9303).
_NAMED = {
    "LATIN ETH": "d",
    "LATIN THORN": "th",
    "LATIN ENG": "n",
    "LATIN KRA": "q",
    "LATIN SCHWA": "e",
    "LATIN ESH": "s",
    "LATIN EZH": "z",
    "LATIN YOGH": "y",
    "LATIN WYNN": "w",
    "LATIN HWAIR": "hv",
    "LATIN GAMMA": "g",
    "LATIN IOTA": "i",
    "LATIN UPSILON": "u",
    "LATIN ALPHA": "a",
    "LATIN SHARP S": "ss",
    "LATIN BARRED O": "o",
    "LATIN U BAR": "u",
    "CYRILLIC BARRED O": "о",
    "CYRILLIC STRAIGHT U": "у",
}
_LETTER = re.compile(
    "(LATIN|GREEK|CYRILLIC) (?:SMALL |CAPITAL )?(?:LETTER|LIGATURE) (?:SMALL CAPITAL |SMALL )?"
    "(?:AFRICAN |DOTLESS |LONG |MIDDLE-WELSH |OPEN |REVERSED |SCRIPT |TURNED )*(.+?)"
    "(?: DIGRAPH)?(?: WITH .+)?"
)
# Letters that Persian and Urdu write for the Arabic ones, and letters that are confused on Arabic
# keyboards, as in Lucene's ArabicNormalizer and PersianNormalizer.
_ARABIC = dict(zip("ٱىیےکہھۂەةۃ", "ايييكهههههه", strict=True))


def _base(letter: str) -> str:
    """The letter without its stroke, hook or tail; two letters for a ligature."""
    name = _LETTER.fullmatch(unicodedata.name(letter, ""))
    if name is None:
        return letter
    script, base = name[1], name[2]
    if named := _NAMED.get(f"{script} {base}"):
        return named
    if script == "LATIN":
        return base.lower() if len(base) <= 2 else letter
    try:
        return unicodedata.lookup(f"{script} SMALL LETTER {base}")
    except KeyError:
        return letter


class _Folding(dict[int, str]):
    """Maps each character to its folded form, which is computed on first use."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__({ord(sign): folded for sign, folded in given.items()})

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        if _ACCENT.match(letter) or _UNSEEN.match(letter):
            folded = ""
        elif letter in _ARABIC:
            folded = _ARABIC[letter]
        elif letter.isdecimal():
            folded = str(unicodedata.decimal(letter))
        else:
            bases = unicodedata.normalize("NFKD", "".join(map(_base, letter.casefold())))
            folded = bases if bases == letter else bases.translate(self)
        # Not every character of East Asia: a profile may hold as many as it likes.
        if folded != letter or code < 0x3100:
            self[code] = folded
        return folded


_IN_NAMES = _Folding(dict.fromkeys(APOSTROPHES + HYPHENS, ""))
_IN_ADDRESSES = _Folding(
    dict.fromkeys(APOSTROPHES, "'") | dict.fromkeys(HYPHENS, "-") | {"ß": "ß", "ẞ": "ß", "·": "·"}
)


def _plain(text: str, folding: _Folding) -> str:
    for sign in _SPACED:
        text = text.replace(sign, "'")
    return unicodedata.normalize("NFKD", text).translate(folding)


def folded(text: str) -> str:
    """Without case, accents, apostrophes, hyphens, what is invisible and repeated white space."""
    if text.isascii() and text.isprintable():
        # Most of all text, in a tenth of the time.
        plain = text.replace("'", "").replace("-", "").replace("`", "").lower()
    else:
        plain = unicodedata.normalize("NFC", _plain(text, _IN_NAMES).casefold())
    return " ".join(plain.split())


def folded_address(text: str) -> str:
    """Without case, accents and what is invisible, while ß, apostrophes and hyphens count."""
    if text.isascii() and text.isprintable():
        return text.lower()
    plain = _plain(text, _IN_ADDRESSES)
    return unicodedata.normalize("NFC", casefolded(plain))


def casefolded(text: str) -> str:
    """As Unicode folds case, except for ß: an address with ss is another one."""
    return "ß".join(part.casefold() for part in text.replace("ẞ", "ß").split("ß"))


def visible(text: str) -> str:
    """Without the characters that nobody sees."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSEEN.sub("", text)


def spaced(text: str) -> str:
    """With a space for each apostrophe and hyphen, as some write names and codes."""
    return folded(JOINED.sub(" ", text))


def letters(text: str) -> int:
    """How many letters a text is worth: one of a script without spaces counts twice."""
    return len(text) + len(UNSPACED.findall(text))
