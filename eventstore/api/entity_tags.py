"""Entity tags, and the lists of them in If-Match and If-None-Match, as RFC 9110 writes them."""

import re
from collections.abc import Collection

_ELEMENT = re.compile(r'[ \t]*(?:(\*|(?:W/)?"[\x21\x23-\x7e\x80-\U0010ffff]*")[ \t]*)?(?:,|\Z)')
_VERSION = re.compile(r'(?:W/)?"([0-9]{1,9})(?:-[0-9]{1,9})?"')
ANY = "*"


def etag(version: int, schema: int) -> str:
    return f'"{version}-{schema}"'


def entity_tags(header: str) -> list[str]:
    """The tags of a list, each with its quotes and a `W/`; `[ANY]` for `*`.

    Elements may be empty, and so may the list. Two header lines are one list with a comma, so `*`
    twice is still `*`. Raises ValueError for what is no such list.
    """
    tags: list[str] = []
    at = 0
    while at < len(header):
        if not (found := _ELEMENT.match(header, at)):
            raise ValueError("It is no list of entity tags.")
        if found[1]:
            tags.append(found[1])
        at = found.end()
    if ANY not in tags:
        return tags
    if set(tags) != {ANY}:
        raise ValueError("It is * or a list of entity tags.")
    return [ANY]


def versions_in(tags: Collection[str]) -> frozenset[int]:
    """The versions that tags state as `"7-1"`, as reads give them, or as `"7"`.

    Gateways that compress make tags weak, so those count too. Others are tags of something else.
    """
    return frozenset(int(found[1]) for tag in tags if (found := _VERSION.fullmatch(tag)))


def same(tag: str, tags: Collection[str]) -> bool:
    """By weak comparison, as If-None-Match asks for it."""
    return tags == [ANY] or tag in {one.removeprefix("W/") for one in tags}
