"""Reads the rows of a CSV, strictly, and finds its way back where a quote was never closed."""

import csv
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from candidates.application.history_rows import Row, UnreadableRow, UnusableFile
from candidates.infrastructure.history_header import check_header
from candidates.infrastructure.history_lines import LINE_CHARACTERS, TOO_LONG, Lines
from candidates.infrastructure.history_quotes import Quote, unreadable_quote
from candidates.infrastructure.history_text import NOT_DECODED, decoded

UNREADABLE = "unreadable_row"
_LINES_NAMED = 10


class CsvRows:
    """Iterates over the rows behind the header; a line with nothing but blanks is no row.

    A cell in quotes may run over many lines. Where it cannot be read, since its quote is never
    closed or text follows the closing one, the row is refused on whose line the quote opens, and
    reading goes on behind that line. Lines inside of quotes that close are never taken as rows;
    where they look like rows nobody can tell, so the row and they are refused.
    """

    def __init__(
        self,
        lines: Lines,
        *,
        delimiter: str,
        columns: Collection[str],
        looks_like_a_row: Callable[[Mapping[str, str]], bool],
    ) -> None:
        """Rows have the cells of `columns` alone.

        Raises UnusableFile for a header that lacks one of them or has it twice.
        """
        self._lines = lines
        self._delimiter = delimiter
        self._looks_like_a_row = looks_like_a_row
        self._record = _Record(lines)
        # It begins anew after an error, so it serves for all of the file.
        self._reader = csv.reader(self._record, delimiter=delimiter, strict=True)
        self._header = self._read_header()
        text = "".join(self._record.taken)
        check_header(self._header, columns, text=text, delimiter=delimiter)
        # Cells that nobody asks for take no memory.
        self._wanted = [(name, self._header.index(name)) for name in columns]

    def __iter__(self) -> Iterator[Row | UnreadableRow]:
        while True:
            self._record.begin()
            line = self._lines.number + 1
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except (csv.Error, _TooLongError):
                yield from self._broken(line)
                continue
            if self._is_blank(cells):
                continue
            inside = self._rows_inside(self._record.taken[1:], line + 1)
            if inside:
                yield from self._ambiguous(line, inside)
            else:
                yield self._row(line, cells)

    def _read_header(self) -> list[str]:
        try:
            while True:
                self._record.begin()
                header = next(self._reader)
                if not self._is_blank(header):
                    return header
        except StopIteration:
            return []
        except (csv.Error, _TooLongError):
            raise UnusableFile(
                "The log cannot be read: its first line, which names the columns, is no row of "
                "a CSV, or too long."
            ) from None

    def _is_blank(self, cells: list[str]) -> bool:
        """Whether the record in hand is a line with nothing, not even an empty cell in quotes."""
        return not cells or (len(cells) == 1 and self._lines.is_blank(self._record.taken[-1]))

    def _row(self, line: int, cells: list[str]) -> Row | UnreadableRow:
        width = len(self._header)
        if len(cells) != width:
            code = "surplus_column" if len(cells) > width else "missing_column"
            detail = f"The row has {len(cells)} columns, the header {width}."
            return UnreadableRow(line=line, code=code, detail=detail)
        if not decoded(cells):
            return UnreadableRow(line=line, code="not_utf8", detail=NOT_DECODED)
        return Row(line=line, cells=self._named(cells))

    def _broken(self, line: int) -> Iterator[UnreadableRow]:
        """Refuses the record in hand, and gives back the lines behind that of its open quote.

        That takes no more than three readings of any line: inside of quotes that do not close
        stand pairs of quotes alone, so that none of the lines given back, but the last, opens a
        quote that it does not close.
        """
        taken = self._record.taken
        texts = taken[:-1] if taken[-1] is TOO_LONG else taken
        quote = unreadable_quote("".join(texts), self._delimiter)
        if quote is None:
            detail = "The row has a line or a cell that is too long."
            yield UnreadableRow(line=line, code=UNREADABLE, detail=detail)
            return
        index = _place(texts, quote.at)
        swallowed = taken[index + 1 :]
        yield UnreadableRow(
            line=line,
            code=UNREADABLE,
            detail=self._about(quote, line, line + index, len(swallowed)),
        )
        yield from self._inside_of(line, self._rows_inside(taken[1 : index + 1], line + 1))
        self._lines.give_back(swallowed)

    def _about(self, quote: Quote, line: int, opened: int, swallowed: int) -> str:
        where = "" if opened == line else f" on line {opened}"
        if swallowed:
            lines = _named_lines(range(opened + 1, opened + 1 + swallowed))
            more = "" if quote.closed or self._lines.at_end() else " and more"
            return f"A quote opens{where} that would swallow {lines}{more}."
        if quote.closed:
            return f"Text follows a closing quote{where}; within quotes a quote is written twice."
        return f"A quote opens{where} that is never closed, or not before its cell is too long."

    def _ambiguous(self, line: int, inside: Sequence[int]) -> Iterator[UnreadableRow]:
        detail = (
            f"The row runs over lines {line} to {line + len(self._record.taken) - 1}, and inside "
            f"of its quotes stands what looks like other rows, on {_named_lines(inside)}: "
            "is a quote left open?"
        )
        yield UnreadableRow(line=line, code=UNREADABLE, detail=detail)
        yield from self._inside_of(line, inside)

    def _inside_of(self, line: int, inside: Sequence[int]) -> Iterator[UnreadableRow]:
        detail = f"The line stands inside of quotes of the row that begins on line {line}."
        for number in inside:
            yield UnreadableRow(line=number, code=UNREADABLE, detail=detail)

    def _rows_inside(self, texts: Sequence[str], first: int) -> list[int]:
        """The numbers of those lines that would be rows outside of quotes."""
        return [number for number, text in enumerate(texts, first) if self._is_a_row(text)]

    def _is_a_row(self, text: str) -> bool:
        try:
            cells = next(csv.reader([text], delimiter=self._delimiter), [])
        except csv.Error:
            return False
        width = len(self._header)
        if len(cells) == width:
            return self._looks_like_a_row(self._named(cells))
        if width < 3 or abs(len(cells) - width) > 1:
            return False
        # A delimiter too many or too few, anywhere between the first column and the last.
        shifted = [cells[0], *cells[2:]] if len(cells) > width else [cells[0], "", *cells[1:]]
        return any(
            self._looks_like_a_row({name: cell for name, cell in named.items() if cell})
            for named in (self._named(cells), self._named(shifted))
        )

    def _named(self, cells: list[str]) -> dict[str, str]:
        return {name: cells[index] for name, index in self._wanted if index < len(cells)}


class _TooLongError(Exception):
    """A record is longer than memory should hold."""


class _Record:
    """Feeds csv.reader line by line, and keeps the lines of the record in hand."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self._length = 0
        self.taken: list[str] = []

    def begin(self) -> None:
        self._length = 0
        self.taken = []

    def __iter__(self) -> "_Record":
        return self

    def __next__(self) -> str:
        line = self._lines.take()
        if line is None:
            raise StopIteration
        self.taken.append(line)
        self._length += len(line)
        if line is TOO_LONG or self._length > LINE_CHARACTERS:
            raise _TooLongError
        return line


def _place(texts: Sequence[str], at: int) -> int:
    """The index of the text in which character `at` of all of them stands."""
    index = 0
    while at >= len(texts[index]):
        at -= len(texts[index])
        index += 1
    return index


def _named_lines(numbers: Sequence[int]) -> str:
    """Such as `line 4` or `lines 4 to 7, 9`; no more than a few, however many there are."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    shown = ", ".join(" to ".join(map(str, run)) for run in runs[:_LINES_NAMED])
    more = " and others" if len(runs) > _LINES_NAMED else ""
    return f"{'line' if len(numbers) == 1 else 'lines'} {shown}{more}"
