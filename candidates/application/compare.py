"""The text that is searched of a candidate, and the parts of it that a search looks for."""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from candidates.application.addresses import domain_in_unicode
from candidates.application.letters import (
    APOSTROPHES,
    HYPHENS,
    JOINED,
    UNSPACED,
    folded,
    spaced,
)

INDEXED = 3
"""Characters that an index of trigrams needs."""
_JOINING = re.escape(APOSTROPHES + HYPHENS)
_SHORT_PART = re.compile(rf"(?<=\w[{_JOINING}])\w{{1,{INDEXED - 1}}}(?!\w)")
"""Behind a hyphen or an apostrophe, and found only at the beginning of a word: the Yu of Li-Yu."""
_APART = re.compile(r"(?<!\S)([od]) (\w+)")
"""Finds names written as two words without the apostrophe: O Brien, D Angelo."""
_WITHOUT_APOSTROPHES = str.maketrans("", "", APOSTROPHES)
_folded_tag = lru_cache(maxsize=4096)(folded)


def search_key(texts: Iterable[str], contacts: Sequence[str], tags: Sequence[str]) -> str:
    """What is searched, in one text: each word behind a space, each tag on a line of its own.

    So the beginning of a word and the whole of a tag are parts of the text that an index finds.
    `contacts` are words that are in their form already.
    """
    typed = " ".join([text for text in texts if text])
    words = folded(typed)
    if contacts:
        words = " ".join([words, *contacts] if words else contacts)
    lines = "\n ".join(map(_folded_tag, tags)) if tags else ""
    if "-" in typed or "'" in typed or (not typed.isascii() and JOINED.search(typed)):
        words = " ".join([words, *map(folded, _SHORT_PART.findall(typed))])
    if " o " in words or " d " in words or words[:2] in ("o ", "d "):
        words = " ".join([words, *map("".join, _APART.findall(words))])
    if not (words.isascii() and lines.isascii()):
        words = " ".join([words, *_pairs(f"{words} {lines}")]).lstrip()
    key = f" {words}" if words else ""
    return f"{key}\n {lines}\n" if tags else key


def _pairs(text: str) -> Iterable[str]:
    """Each two letters inside words without spaces, and the last one: no index finds them there."""
    if not UNSPACED.search(text):
        return ()
    pairs: dict[str, None] = {}
    for word in text.split():
        if UNSPACED.search(word):
            for at in range(1, len(word)):
                if UNSPACED.search(pair := word[at : at + 2]):
                    pairs[pair] = None
    return pairs


def tag_key(tag: str) -> str:
    """The part of a search key that those with this tag have."""
    return f"\n {folded(tag)}\n"


def word_key(word: str) -> str:
    """The part of a search key that those with this word have; `word` is folded.

    A word of one or two letters counts at the beginning of others only: inside them it would be
    found in nearly everybody, and in no index.
    """
    return word if len(word) >= INDEXED else f" {word}"


def spellings(word: str) -> list[list[str]]:
    """The parts of a search key to look for, of a word that is searched: of each list one.

    O'Brien may be kept as OBrien and as O Brien, and Jean-Luc as Jeanluc and as Jean Luc.
    """
    word = domain_in_unicode(word)
    parts = folded(word).split()
    if len(parts) != 1 or not JOINED.search(word):
        return [[word_key(part)] for part in parts]
    ways = [parts[0], spaced(word.translate(_WITHOUT_APOSTROPHES)), spaced(word)]
    return [[word_key(way) for way in dict.fromkeys(ways)]]
