"""How a CSV of another system is read: strictly, and never losing a row without a word."""

import csv
import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from candidates.application.history_rows import Row, UnreadableRow, UnusableFile
from candidates.infrastructure.history_csv import CsvRows
from candidates.infrastructure.history_lines import LINE_CHARACTERS, Lines
from candidates.infrastructure.history_text import text_of

HEADER = b"case,at,name,points\n"
COLUMNS = ("case", "at", "name", "points")
CASES = Path(__file__).parent.parent.parent.parent / "shared" / "cases"


def has_a_time(cells: Mapping[str, str]) -> bool:
    try:
        datetime.fromisoformat(cells.get("at") or cells.get("when", ""))
    except ValueError:
        return False
    return True


def read(
    content: bytes, *, delimiter: str = ",", columns: Sequence[str] = COLUMNS
) -> list[Row | UnreadableRow]:
    return list(
        CsvRows(
            Lines(text_of(io.BytesIO(content), None)),
            delimiter=delimiter,
            columns=columns,
            looks_like_a_row=has_a_time,
        )
    )


def row(number: int, name: str = "Ann") -> bytes:
    return f"{number},2024-01-01T00:00:00Z,{name},80\n".encode()


def taken(rows: Sequence[Row | UnreadableRow]) -> list[tuple[int, str, str]]:
    return [(r.line, r.cells["case"], r.cells["name"]) for r in rows if isinstance(r, Row)]


def refused(rows: Sequence[Row | UnreadableRow]) -> list[tuple[int, str, str]]:
    return [(r.line, r.code, r.detail) for r in rows if isinstance(r, UnreadableRow)]


def test_an_open_quote_refuses_its_row_and_names_what_it_would_swallow() -> None:
    rows = read(HEADER + row(1) + row(2, '"Bob') + row(3, "Cid") + row(4, '"Dee" Dee') + row(5))
    assert taken(rows) == [(2, "1", "Ann"), (4, "3", "Cid"), (6, "5", "Ann")]
    assert refused(rows) == [
        (3, "unreadable_row", "A quote opens that would swallow lines 4 to 5."),
        (
            5,
            "unreadable_row",
            "Text follows a closing quote; within quotes a quote is written twice.",
        ),
    ]


def test_quotes_within_a_cell_that_has_none_around_it_are_as_they_stand() -> None:
    names = ["5'11\" Fay", 'Hal \\"quoted\\"', "O'Neil", 'Joe "']
    rows = read(HEADER + b"".join(row(number, name) for number, name in enumerate(names)))
    assert [name for _, _, name in taken(rows)] == names


@pytest.mark.parametrize(
    "cell",
    [
        "two\nlines",
        "two\r\nlines",
        "two\rlines",
        "\n",
        'he said ""yes""\nand left',
        "one, with commas,\nand more, commas",
        "\n\n  \n",
        "".join(f"line {n}, of a letter\n" for n in range(3000)),
        '""',
        '""\n""',
    ],
)
def test_line_breaks_within_quotes_are_part_of_the_cell(cell: str) -> None:
    rows = read(HEADER + row(1) + row(2, f'"{cell}"') + row(3) + row(4, '"x'))
    lines = len(csv_lines(cell)) - 1
    assert taken(rows) == [
        (2, "1", "Ann"),
        (3, "2", cell.replace('""', '"')),
        (4 + lines, "3", "Ann"),
    ]
    assert [line for line, _, _ in refused(rows)] == [5 + lines]


def csv_lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


@pytest.mark.parametrize(
    ("body", "lines", "words"),
    [
        (row(1) + row(2, '"Bob'), [3], "A quote opens that is never closed"),
        (row(1) + row(2, '"Bob')[:-1], [3], "A quote opens that is never closed"),
        (row(1) + b'"', [3], "A quote opens that is never closed"),
        (row(1, '"Bob') + row(2) + row(3), [2], "would swallow lines 3 to 4."),
        (row(1, '"Bob') + row(2), [2], "would swallow line 3."),
        (row(1, '"Bob') + b"\n\n" + row(2), [2], "would swallow lines 3 to 5."),
        # A good cell of several lines, and then a quote that stays open.
        (
            row(1, '"a\nb"')[:-3] + b'"80\n' + row(2) + row(3),
            [2],
            "opens on line 3 that would swallow lines 4 to 5.",
        ),
        (row(1, '"Bob') * 3, [2, 3, 4], "would swallow line 3."),
        # Good cells with quotes around them, behind the open one.
        (row(1, '"Bob') + row(2, '"Cid, the ""kid"""'), [2], "would swallow line 3."),
        (row(1, '"Bob') + b'"2","2024-01-01","Cid","80"\n', [2], "would swallow line 3."),
        (
            b'"1","2024-01-01","Bob","80\n"2","2024-01-01","Cid","80"\n',
            [2],
            "would swallow line 3.",
        ),
        (
            b'"1","2024-01-01","Bob,"80"\n"2","2024-01-01","Cid","80"\n',
            [2],
            "Text follows a closing",
        ),
        (row(1, '"Bob"x"') + row(2), [2], "Text follows a closing quote;"),
        (b'"1"2' + row(1), [2], "Text follows a closing quote;"),
        (row(1, '"Bob" '), [2], "Text follows a closing quote;"),
        (row(1, "x" * 140_000), [2], "too long"),
        (row(1, '"' + "x" * 140_000 + '"'), [2], "too long"),
        (row(1, '"' + "x\n" * 70_000), [2], "and more"),
        (row(1, "x" * (LINE_CHARACTERS + 1)) + row(2), [2], "too long"),
        (row(1, '"Bob') + row(2, "x" * (LINE_CHARACTERS + 1)), [2, 3], "would swallow line 3"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(
    body: bytes, lines: list[int], words: str
) -> None:
    rows = read(HEADER + body)
    unreadable = [r for r in refused(rows) if r[1] == "unreadable_row"]
    assert [line for line, _, _ in unreadable] == lines
    assert words in unreadable[0][2]


def test_rows_that_stand_inside_of_quotes_that_happen_to_close_are_refused_with_it() -> None:
    """Nobody can tell whether a row is quoted in a letter, or swallowed by a stray quote."""
    content = HEADER + row(1, '"Bob') + row(2) + row(3, "5'11\"") + row(4)
    rows = read(content)
    assert taken(rows) == [(5, "4", "Ann")]
    assert [line for line, _, _ in refused(rows)] == [2, 3, 4]
    assert "on lines 3 to 4: is a quote left open?" in refused(rows)[0][2]


def test_a_row_of_many_lines_with_a_column_too_few_is_one_row() -> None:
    rows = read(HEADER + b'1,2024-01-01T00:00:00Z,"a\nb"\n' + row(2))
    assert [(line, code) for line, code, _ in refused(rows)] == [(2, "missing_column")]
    assert taken(rows) == [(4, "2", "Ann")]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"1,2024-01-01,Ann\n", "missing_column"),
        (b"1,2024-01-01,Ann,80,more\n", "surplus_column"),
        (row(1, "M\xfcller").decode().encode("latin-1"), "not_utf8"),
    ],
)
def test_ragged_rows_and_bytes_that_are_no_text_are_refused(line: bytes, code: str) -> None:
    rows = read(HEADER + line + row(2))
    assert [(number, found) for number, found, _ in refused(rows)] == [(2, code)]
    assert taken(rows) == [(3, "2", "Ann")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(end: str) -> None:
    lines = [
        HEADER.strip(),
        b"",
        row(1).strip(),
        b"",
        b"",
        row(2, '"a\nb"').strip(),
        row(3).strip(),
    ]
    content = end.encode().join(line.replace(b"\n", end.encode()) for line in lines)
    assert taken(read(b"\xef\xbb\xbf" + content)) == [
        (3, "1", "Ann"),
        (6, "2", f"a{end}b"),
        (8, "3", "Ann"),
    ]


def test_a_crlf_that_the_reader_meets_in_two_halves_is_one_line_end() -> None:
    for length in range(65_500, 65_540):
        body = row(1, "x" * length).replace(b"\n", b"\r\n") + row(2)
        assert [line for line, _, _ in taken(read(HEADER + body))] == [2, 3]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty: it has no column at, case, name, points"),
        (b"\n\n", "empty"),
        (b"case,name,points\n", "no column at."),
        (b"case,at,name,points,name\n", "more than one column name"),
        (b"case;at;name;points\n1;2;3;4\n", 'separated by semicolons: say "delimiter": ";"'),
        (b"case\tat\tname\tpoints\n", 'separated by tabs: say "delimiter": "\\t"'),
        (b"a;b;c;d\n", "separated by semicolons"),
        (b"Case, at ,name,points\n", "no column at, case. It has ' at ', 'Case'."),
        (b"1,2024-01-01,Ann Smith,80\n", "names the columns, and none of them is there"),
        (b"case,at,n\xe4me,points,x\n", "not UTF-8: say `encoding`"),
        (b"sep=;\ncase;at;name;points\n", "a hint for spreadsheets (sep=): take it out"),
        (b"case,at,name,points" + b",x" * 20_000, "more than 20000 columns"),
        (b'case,"at,name,points\n', "no row of a CSV"),
        (b"x" * 140_000, "no row of a CSV, or too long"),
        (b"x" * (LINE_CHARACTERS + 1), "no row of a CSV, or too long"),
    ],
)
def test_a_header_that_will_not_do_is_named_and_never_quoted(content: bytes, words: str) -> None:
    with pytest.raises(UnusableFile) as refusal:
        read(content)
    assert words in str(refusal.value)
    assert "Smith" not in str(refusal.value)


def test_a_header_may_run_over_lines() -> None:
    rows = read(b'case,at,name,points,"a\nb"\n' + row(1).replace(b"\n", b",x\n"))
    assert taken(rows) == [(3, "1", "Ann")]


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
TABLES = st.lists(st.tuples(CELLS, CELLS, CELLS, CELLS), min_size=1, max_size=8)


@given(
    table=TABLES,
    # With another line end the writer leaves a CR or an LF without quotes.
    quoting_and_end=st.sampled_from(
        [(csv.QUOTE_MINIMAL, "\r\n"), *((csv.QUOTE_ALL, end) for end in ("\n", "\r\n", "\r"))]
    ),
    delimiter=st.sampled_from([",", ";", "\t", "|", "^", "]", "\\"]),
)
def test_what_a_writer_writes_is_read_back(
    table: list[tuple[str, ...]], quoting_and_end: tuple[int, str], delimiter: str
) -> None:
    quoting, end = quoting_and_end
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting, lineterminator=end, delimiter=delimiter)  # type: ignore[arg-type]
    writer.writerows([COLUMNS, *table])
    rows = read(out.getvalue().encode(), delimiter=delimiter)
    assert [tuple(r.cells.values()) if isinstance(r, Row) else r for r in rows] == table


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 10_000),
        st.sampled_from(
            [b'"', b'""', b",", b"\n", b"\r", b"\xff", b"\x00", b"", b'",', b',"', b"\n\n"]
        ),
    ),
    max_size=12,
)


@given(mutations=MUTATIONS)
@example(mutations=[(20, b'"')])
@example(mutations=[(40, b'"'), (120, b'"')])
def test_every_line_is_in_a_row_whatever_happened_to_the_file(
    mutations: list[tuple[int, bytes]],
) -> None:
    body = bytearray(b"".join(row(n, name) for n, name in enumerate(['"a, b"', "c", '"d\ne"'] * 3)))
    for at, with_what in mutations:
        at %= len(body) + 1
        body[at : at + (not with_what)] = with_what
    rows = read(HEADER + bytes(body))
    starts = [r.line for r in rows]
    assert starts == sorted(set(starts))
    physical = text_of(io.BytesIO(HEADER + bytes(body)), None).readlines()
    filled = [number for number, line in enumerate(physical, 1) if line.strip()]
    assert starts[:1] == filled[1:2]
    for this, following in zip(rows, [*starts[1:], len(physical) + 1], strict=True):
        # A row that was taken is all that stands on the lines up to the next one.
        if isinstance(this, Row):
            lines = physical[this.line - 1 : following - 1]
            (cells,) = [c for c in csv.reader(lines, strict=True) if c]
            assert cells == list(this.cells.values())


@given(number=st.integers(0, 19), column=st.integers(0, 3), gap=st.sampled_from([b"", b"\n"]))
def test_one_open_quote_costs_one_row(number: int, column: int, gap: bytes) -> None:
    lines = [row(n).strip().split(b",") for n in range(20)]
    lines[number][column] = b'"' + lines[number][column]
    rows = read(HEADER + gap + b"".join(b",".join(line) + b"\n" for line in lines))
    assert [int(case) for _, case, _ in taken(rows)] == [n for n in range(20) if n != number]
    assert [line for line, _, _ in refused(rows)] == [2 + len(gap) + number]


def test_no_line_is_read_more_than_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open quotes by the thousand, as one on every line, or one that nothing closes."""
    reads = 0
    take = Lines.take

    def counted(self: Lines) -> str | None:
        nonlocal reads
        reads += 1
        return take(self)

    monkeypatch.setattr(Lines, "take", counted)
    for body in (
        row(1, '"Bob') * 3000,
        row(1, '"Bob') + row(2) * 3000,
        (row(1, '"Bob') + row(2, '""') * 30) * 100,
        b'c",2024-01-01,x,"e\n' * 3000,
        (b'"' + row(1, '"",""')) * 3000,
    ):
        reads = 0
        rows = read(HEADER + body)
        lines = body.count(b"\n")
        assert len(rows) == lines
        assert reads <= 3 * lines + len(rows) + 10


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside the project")
def test_the_quotes_that_once_swallowed_rows() -> None:
    content = (CASES / "quotes.csv").read_bytes()
    rows = read(content, columns=("case", "when", "name"))
    assert [case for _, case, _ in taken(rows)] == ["1", "3", "5", "6", "7", "8", "10"]
    assert [line for line, _, _ in refused(rows)] == [3, 5, 10]
    assert "would swallow lines 4 to 5" in refused(rows)[0][2]


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t ", b"\xc2\xa0", b""])
def test_a_line_of_blanks_is_no_row_and_a_ctrl_z_at_the_end_neither(blank: bytes) -> None:
    rows = read(blank + b"\n" + HEADER + blank + b"\r\n" + row(1) + blank + b"\n\x1a")
    assert taken(rows) == [(4, "1", "Ann")]
    assert len(rows) == 1
    rows = read(HEADER + b"\x1a\n" + row(2))
    assert [line for line, _, _ in refused(rows)] == [2]


def test_empty_cells_are_a_row() -> None:
    assert len(read(HEADER.replace(b",", b"\t") + b"\t\t\t\n", delimiter="\t")) == 1
    assert len(read(b'case\n""\n', columns=["case"])) == 1
