"""Lines of a text file, numbered, none of them longer than memory should hold."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from typing import IO, Final

LINE_CHARACTERS = 1 << 20
"""A longer line is passed over."""
TOO_LONG: Final = "too long"
"""Stands for a line that was passed over. Compared by identity: a line can say the same."""
_CHUNK = 1 << 16
_CTRL_Z = "\x1a"
# A CR at the very end may be half of a CRLF.
_END = re.compile(r"\r\n|\n|\r(?!\Z)")


class Lines:
    """Lines with their ends, which are LF, CRLF or CR. They can be given back and taken again."""

    def __init__(self, file: IO[str]) -> None:
        """`file` was opened with `newline=""`."""
        self._fresh = _lines(file)
        self._given_back: deque[str] = deque()
        self.number = 0
        """Number of the line that was taken last."""

    def take(self) -> str | None:
        """The next line, or TOO_LONG for it; None at the end. Raises what reading the file does."""
        line = self._given_back.popleft() if self._given_back else next(self._fresh, None)
        if line is not None:
            self.number += 1
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        """`lines` are those taken last, in the order of the file."""
        self._given_back.extendleft(reversed(lines))
        self.number -= len(lines)

    def is_blank(self, line: str) -> bool:
        """Whether the line taken last has nothing but white space, or ends the file as DOS did."""
        text = line.strip()
        return not text or (text == _CTRL_Z and self.at_end())

    def at_end(self) -> bool:
        """Raises what reading the file does."""
        if (line := self.take()) is None:
            return True
        self.give_back([line])
        return False


def _lines(file: IO[str]) -> Iterator[str]:
    rest, passing_over = "", False
    while chunk := file.read(_CHUNK):
        text = rest + chunk
        start = 0
        # The rest has no line end in it, except perhaps its last character: a CR.
        for end in _END.finditer(text, max(len(rest) - 1, 0)):
            line, start = text[start : end.end()], end.end()
            yield TOO_LONG if passing_over or len(line) > LINE_CHARACTERS else line
            passing_over = False
        rest = text[start:]
        if passing_over or len(rest) > LINE_CHARACTERS:
            # Its last character is kept: it may be the CR of a CRLF.
            rest, passing_over = rest[-1:], True
    if rest:
        yield TOO_LONG if passing_over else rest
