"""Numbers in text, as JSON writes them."""

import re

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def read_number(text: str) -> float:
    """A number in the form of RFC 8259, infinite where it is too large. Raises ValueError.

    Python would also take `nan`, `1_0`, ` 75 `, `075`, `.5` and the digits of other scripts.
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError("It is not a number as JSON writes them.")
    return float(text)
