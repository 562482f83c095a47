"""Which kinds of files an import reads, and what it says of the others."""

import bz2
import gzip
import io
import json
import lzma
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from candidates.application.history_map import HistoryMap
from candidates.application.history_rows import Row, UnreadableRow, UnusableFile
from candidates.infrastructure.history_file import history_rows

ROOT = Path(__file__).parent.parent.parent
PLAIN: Mapping[str, Any] = {
    "stream": "case",
    "activity": "what",
    "occurred_at": "at",
    "commands": {"applied": {"command": "add"}},
    "profile": {"name": "name"},
    "score": 80,
}
CSV = "case,what,at,name\n1,applied,2024-01-01T00:00:00Z,Łukasz Müller\n"
CELLS = {"case": "1", "what": "applied", "at": "2024-01-01T00:00:00Z", "name": "Łukasz Müller"}


def read(path: Path, **changes: Any) -> list[Row | UnreadableRow]:
    with history_rows(path, HistoryMap.parse({**PLAIN, **changes})) as rows:
        return list(rows)


@pytest.fixture
def log(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(content: bytes) -> Path:
        path = tmp_path / "log"
        path.write_bytes(content)
        return path

    return write


Log = Callable[[bytes], Path]


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (CSV.encode(), {}),
        (CSV.encode("utf-8-sig"), {}),
        (CSV.encode("utf-8-sig"), {"encoding": "utf8"}),
        (CSV.replace(",", ";").encode("iso8859-2"), {"encoding": "latin2", "delimiter": ";"}),
        (CSV.replace(",", "\t").encode("utf-16"), {"encoding": "utf-16", "delimiter": "\t"}),
        (CSV.encode("utf-16-be"), {"encoding": "utf-16-be"}),
        (CSV.encode("utf-32"), {"encoding": "utf-32"}),
        (CSV.encode("cp1250"), {"encoding": "windows-1250"}),
    ],
)
def test_a_csv_can_be_in_any_encoding(
    log: Log, pack: Callable[[bytes], bytes], content: bytes, changes: Mapping[str, Any]
) -> None:
    assert read(log(pack(content)), **changes) == [Row(line=2, cells=CELLS)]


@pytest.mark.parametrize(
    ("encoding", "bad"),
    [
        ("utf-8", b"\xff"),
        ("cp1252", b"\x81"),
        ("utf-16-le", b"\x00\xd8"),
        ("shift_jis", b"\x81\x20"),
    ],
)
def test_bytes_that_the_encoding_does_not_have_refuse_their_row_alone(
    log: Log, encoding: str, bad: bytes
) -> None:
    header, row = (line + "\n" for line in CSV.replace("Łukasz Müller", "NAME").splitlines())
    broken = row.encode(encoding).replace("NAME".encode(encoding), bad + "N".encode(encoding))
    rows = read(log(header.encode(encoding) + broken + row.encode(encoding)), encoding=encoding)
    assert [(type(r), r.line) for r in rows] == [(UnreadableRow, 2), (Row, 3)]
    assert isinstance(rows[0], UnreadableRow)
    assert "say" in rows[0].detail or "says another under `encoding`" in rows[0].detail


def test_json_lines_have_flat_names_and_their_numbers_as_they_are_written(log: Log) -> None:
    line = {
        **CELLS,
        "name": {"first": "Ann", "last": None},
        "points": 7.50,
        "hired": False,
        "tags": ["a", "ü"],
    }
    text = json.dumps(line).replace("7.5", "7.50") + "\r\n\n" + json.dumps({"case": 2}) + "\n"
    profile = {"name": ["name.first", "name.last"], "tags": ["tags", "hired", "points"]}
    rows = read(log(text.encode()), format="jsonl", profile=profile)
    assert rows == [
        Row(
            line=1,
            cells={
                "case": "1",
                "what": "applied",
                "at": "2024-01-01T00:00:00Z",
                "name.first": "Ann",
                "name.last": "",
                "points": "7.50",
                "hired": "false",
                "tags": '["a", "ü"]',
            },
        ),
        # Cells for keys that an object lacks are empty.
        Row(
            line=3,
            cells={
                **dict.fromkeys(("what", "at", "name.first", "name.last"), ""),
                **dict.fromkeys(("points", "hired", "tags"), ""),
                "case": "2",
            },
        ),
    ]


def test_lists_in_json_lines_keep_the_kind_of_what_they_hold(log: Log) -> None:
    name = '[1, "1", 2.50, true, null, [1e3], {"ü": 1}]'
    text = json.dumps({**CELLS, "name": "NAME"}).replace('"NAME"', name)
    (row,) = read(log(f"{text}\n  \n\x1a".encode()), format="jsonl")
    assert isinstance(row, Row)
    assert row.cells["name"] == name


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (b"{", "unreadable_row", "no JSON"),
        (b"[1]", "unreadable_row", "no JSON object"),
        (b'"text"', "unreadable_row", "no JSON object"),
        (b'{"case": NaN}', "unreadable_row", "no JSON"),
        (b'{"case": 1} {"case": 2}', "unreadable_row", "no JSON"),
        (b'{"case": 1, "case": 2}', "unreadable_row", "names a key twice"),
        (b'{"a": {"b": 1}, "a.b": 2}', "unreadable_row", "names a key twice"),
        (b'{"case": "\xff"}', "not_utf8", "UTF-8, unless"),
        (b'{"case": "\\ud800"}', "lone_surrogate", "half of a surrogate pair"),
        (b'{"case": ' + b"[" * 100_000, "unreadable_row", "no JSON"),
        (b'{"a":' * 100_000, "unreadable_row", "no JSON"),
        (b'{"case": "' + b"x" * 1_100_000 + b'"}', "unreadable_row", "too long"),
        (
            b'{"%s": {%s}}' % (b"x" * 200_000, b",".join(b'"%d": 1' % n for n in range(50_000))),
            "unreadable_row",
            "names of the JSON object are too long",
        ),
    ],
)
def test_a_line_that_is_no_json_object_is_refused_alone(
    log: Log, line: bytes, code: str, words: str
) -> None:
    good = json.dumps(CELLS).encode()
    rows = read(log(good + b"\n" + line + b"\n" + good), format="jsonl")
    assert [(type(r), r.line) for r in rows] == [(Row, 1), (UnreadableRow, 2), (Row, 3)]
    assert isinstance(rows[1], UnreadableRow)
    assert rows[1].code == code
    assert words in rows[1].detail


XES = """<?xml version="1.0" encoding="UTF-8"?>
<!-- made by hand -->
<log xes.version="2.0" xmlns="http://www.xes-standard.org/">
  <extension name="Concept" prefix="concept" uri="http://www.xes-standard.org/concept.xesext"/>
  <global scope="event"><string key="concept:name" value="nothing"/></global>
  <classifier name="Activity" keys="concept:name"/>
  <string key="source" value="a simulation"/>
  <trace>
    <string key="concept:name" value="1"/>
    <string key="applicant" value="Łukasz &amp; &#77;"><string key="note" value="within"/></string>
    <event>
      <string key="concept:name" value="applied"><string key="concept:name" value="no"/></string>
      <date key="time:timestamp" value="2024-01-01T00:00:00.000+00:00"/>
      <float key="points" value="7.50"/>
      <string key="empty"/>
      <list key="tags"><values><string key="tag" value="x"/></values></list>
    </event>
    <event><string key="concept:name" value="invited"/></event>
  </trace>
  <trace><string key="concept:name" value="2"/></trace>
  <event><string key="concept:name" value="of no trace"/></event>
</log>
"""
XES_MAP = {
    "format": "xes",
    "stream": "case:concept:name",
    "activity": "concept:name",
    "occurred_at": "time:timestamp",
    "profile": {"name": "case:applicant"},
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16", "ISO-8859-2"])
def test_events_of_a_xes_have_the_attributes_of_their_trace(
    log: Log, pack: Callable[[bytes], bytes], encoding: str
) -> None:
    content = XES.replace('encoding="UTF-8"', f'encoding="{encoding}"').encode(encoding)
    trace = {"case:concept:name": "1", "case:applicant": "Łukasz & M"}
    empty = dict.fromkeys(("case:concept:name", "case:applicant", "time:timestamp"), "")
    assert read(log(pack(content)), **XES_MAP) == [
        Row(
            line=11,
            cells={
                **trace,
                "concept:name": "applied",
                "time:timestamp": "2024-01-01T00:00:00.000+00:00",
            },
        ),
        Row(line=18, cells={**empty, **trace, "concept:name": "invited"}),
        Row(line=21, cells={**empty, "concept:name": "of no trace"}),
    ]


ENTITIES = '<!DOCTYPE log [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY x SYSTEM "/etc/passwd">]>'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (XES.replace("<log", f"{ENTITIES}\n<log"), "has a document type"),
        (XES[:-8], "not well-formed XML: no element found"),
        (XES.replace("</trace>", "", 1), "not well-formed XML: mismatched tag, on line 22"),
        (XES.replace("log", "catalog"), "is no XES: its outermost element is not log"),
        (
            XES.replace("<trace>\n", "<trace>\n<event/>", 1),
            "attribute of a trace behind its events",
        ),
        (XES.replace("Łukasz", "x" * 1_200_000), "a tag or a comment that is too long"),
        (XES.replace("made by", "x" * 1_200_000), "a tag or a comment that is too long"),
        (XES.replace("<event>", "<event>" + "<list key='x'>" * 200, 1), "nested too deeply"),
        ("", "not well-formed XML"),
        (
            XES.replace("case:", "").replace("applicant", "who"),
            "no column case:applicant in any row",
        ),
    ],
)
def test_a_xes_that_will_not_do_is_refused_whole(log: Log, content: str, words: str) -> None:
    with pytest.raises(UnusableFile, match=words):
        read(log(content.encode()), **XES_MAP)


@pytest.mark.parametrize(
    "encoding",
    [
        *("shift_jis", "gb2312", "gb18030", "big5", "euc-jp", "iso2022_jp", "hz", "utf-7", "utf8"),
        *("foo", "ucs-2", "mbcs", "hex", "rot13", "zlib", "utf-32", "cp037", "x" * 500),
        *("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "charmap"),
    ],
)
def test_an_encoding_that_no_xes_is_read_in_is_named(log: Log, encoding: str) -> None:
    content = XES.replace('encoding="UTF-8"', f'encoding="{encoding}"').encode()
    with pytest.raises(UnusableFile, match=f'its encoding is "{encoding[:40]}", which is not'):
        read(log(content), **XES_MAP)


@pytest.mark.parametrize("encoding", ["windows-1250", "cp1250", "latin2", "mac-latin2", "cp852"])
def test_a_xes_can_be_in_an_encoding_of_one_byte_a_letter(log: Log, encoding: str) -> None:
    content = XES.replace('encoding="UTF-8"', f'encoding="{encoding}"').encode(encoding)
    first = read(log(content), **XES_MAP)[0]
    assert isinstance(first, Row)
    assert first.cells["case:applicant"] == "Łukasz & M"


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ('<string key="a" value="1"/><string key="a" value="2"/>', "names an attribute twice"),
        ('<string value="1"/>', "an attribute without a key"),
        ("".join(f'<string key="{n}" value="{"x" * 900}"/>' for n in range(1300)), "too long"),
    ],
)
def test_an_event_that_cannot_be_kept_is_refused_alone(
    log: Log, attributes: str, words: str
) -> None:
    time = '<date key="time:timestamp" value="2024-01-01T00:00:00Z"/>'
    content = XES.replace("<float", f"{attributes}<float").replace("<event><", f"<event>{time}<")
    first, second, _ = read(log(content.encode()), **XES_MAP)
    assert isinstance(first, UnreadableRow)
    assert (first.line, first.code) == (11, "unreadable_row")
    assert words in first.detail
    assert isinstance(second, Row)


def zipped(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(name, CSV)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("log.csv")
        member.size = len(CSV.encode())
        archive.addfile(member, io.BytesIO(CSV.encode()))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "changes", "words"),
    [
        (zipped("[Content_Types].xml"), {}, "looks like a spreadsheet: save it as CSV"),
        (zipped("mimetypeapplication/vnd.oasis.opendocument.spreadsheet"), {}, "a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), {}, "looks like a spreadsheet"),
        (zipped("[Content_Types].xml"), {"format": "xes"}, "looks like a spreadsheet"),
        (zipped("word/document.xml"), {}, "is a text document"),
        (zipped("log.csv"), {}, "is a zip archive: unpack it"),
        (tarred(), {}, "is a tar archive"),
        (gzip.compress(tarred()), {}, "is a tar archive"),
        (gzip.compress(gzip.compress(CSV.encode())), {}, "gzip more than once"),
        (bz2.compress(CSV.encode()), {}, "packed with bzip2"),
        (lzma.compress(CSV.encode()), {}, "packed with xz"),
        (b"%PDF-1.7\n", {}, "is a PDF"),
        (b"SQLite format 3\x00", {}, "is an SQLite database"),
        (CSV.encode("utf-16"), {}, 'is UTF-16: say "encoding": "utf-16"'),
        (CSV.encode("utf-16-le"), {}, 'looks like UTF-16: say "encoding": "utf-16-le"'),
        (CSV.encode("utf-16-be"), {}, 'looks like UTF-16: say "encoding": "utf-16-be"'),
        (CSV.encode("utf-32"), {}, "is UTF-32"),
        (CSV.encode(), {"encoding": "utf-16"}, "not in the `encoding` that the map says"),
        *(
            (CSV.encode(mark), {"encoding": named}, f'say "encoding": "{right}" in the map')
            for mark, named, right in (
                ("utf-8-sig", "cp1252", "utf-8"),
                ("utf-8-sig", "cp1251", "utf-8"),
                ("utf-16", "utf-16-le", "utf-16"),
                ("utf-16", "latin2", "utf-16"),
                ("utf-32", "utf-32-le", "utf-32"),
                ("utf-32", "utf-16", "utf-32"),
            )
        ),
        (json.dumps(CELLS).encode(), {}, 'is JSON and no CSV: say "format": "jsonl"'),
        (json.dumps([CELLS]).encode(), {}, "is JSON and no CSV"),
        (json.dumps([CELLS], indent=1).encode(), {}, "is JSON and no CSV"),
        (XES.encode(), {}, 'is XML and no CSV: an XES needs "format": "xes"'),
        (b"<html><table><tr><td>case</td></tr></table></html>", {}, "is a web page"),
        (b"<!DOCTYPE HTML>\n<body>", {}, "is a web page"),
        (json.dumps([CELLS]).encode(), {"format": "jsonl"}, "is one JSON array"),
        (
            json.dumps(CELLS, indent=1).encode(),
            {"format": "jsonl"},
            "one JSON object on many lines",
        ),
        (CSV.encode(), {"format": "jsonl"}, "is no JSON Lines"),
        (XES.encode(), {"format": "jsonl"}, 'is XML: an XES needs "format": "xes"'),
        (b"\n \n", {"format": "jsonl"}, "The log is empty"),
        (b'{"case": 1}\n{"what": 2, "at": 1}', {"format": "jsonl"}, "no column name in any row"),
        (CSV.encode(), XES_MAP, "is no XML, and so no XES"),
        (json.dumps(CELLS).encode(), XES_MAP, "is no XML, and so no XES"),
        (CSV.replace(",", ";").encode(), {}, "separated by semicolons"),
    ],
)
def test_a_file_of_another_kind_is_named_for_what_it_is(
    log: Log, content: bytes, changes: Mapping[str, Any], words: str
) -> None:
    with pytest.raises(UnusableFile) as refusal:
        read(log(content), **changes)
    assert words in str(refusal.value)
    assert "Müller" not in str(refusal.value)
    assert "applied" not in str(refusal.value)


def test_a_directory_and_a_pipe_are_no_logs(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match="no regular file"):
        read(tmp_path)
    with pytest.raises(UnusableFile, match="cannot be read"):
        read(tmp_path / "missing")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    content=st.sampled_from([CSV.encode(), json.dumps(CELLS).encode() + b"\n", XES.encode()]),
    changes=st.sampled_from([{}, {"format": "jsonl"}, XES_MAP, {"encoding": "utf-16"}]),
    packed=st.booleans(),
    edits=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=4)), max_size=6),
)
def test_whatever_the_bytes_are_there_are_rows_or_one_clear_refusal(
    log: Log,
    content: bytes,
    changes: Mapping[str, Any],
    packed: bool,
    edits: list[tuple[int, bytes]],
) -> None:
    edited = bytearray(gzip.compress(content) if packed else content)
    for at, piece in edits:
        at %= len(edited) + 1
        edited[at : at + 1] = piece
    try:
        rows = read(log(bytes(edited)), **changes)
    except UnusableFile:
        return
    assert all(row.line >= 1 for row in rows)
    assert [row.line for row in rows] == sorted(row.line for row in rows)


MEMORY = """
import json, resource, sys
from pathlib import Path
from candidates.application.history_map import HistoryMap
from candidates.application.history_rows import UnusableFile, chunks
from candidates.infrastructure.history_file import history_rows

path, plain = Path(sys.argv[1]), json.loads(sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = 0
try:
    with history_rows(path, HistoryMap.parse(plain)) as rows:
        for chunk in chunks(rows):
            count += len(chunk)
except UnusableFile as refusal:
    count = str(refusal)
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps([count, after - before]))
"""
MEGABYTE = 1 << 20
ROW = CSV.splitlines(keepends=True)[1].encode()
HEADER = CSV.splitlines(keepends=True)[0].encode()


def zeros() -> Iterator[bytes]:
    yield HEADER
    yield from [bytes(MEGABYTE)] * 100


def one_open_quote() -> Iterator[bytes]:
    yield HEADER
    yield ROW.replace("Ł".encode(), b'"')
    yield from [ROW * 2000] * 50


def a_long_header() -> Iterator[bytes]:
    yield from [b"x," * (MEGABYTE // 2)] * 100


def a_long_object() -> Iterator[bytes]:
    yield json.dumps(CELLS).encode()[:-2]
    yield from [b"x" * MEGABYTE] * 100


def a_long_comment() -> Iterator[bytes]:
    yield b"<log><!--"
    yield from [b"x" * MEGABYTE] * 100


def many_attributes() -> Iterator[bytes]:
    yield b'<log><trace><string key="concept:name" value="1"/>'
    yield b'<string key="applicant" value="x"/><event>'
    attributes = "".join(f'<string key="KEY{n}" value="{"x" * 20}"/>' for n in range(1000)).encode()
    for n in range(200):
        yield attributes.replace(b"KEY", b"%d." % n)
    yield b'</event><event><string key="concept:name" value="x"/>'
    yield b'<string key="time:timestamp" value="x"/></event></trace></log>'


def many_events_of_a_long_trace() -> Iterator[bytes]:
    yield b'<log><trace><string key="concept:name" value="1"/>'
    yield b'<string key="applicant" value="x"/>'
    yield b"".join(b'<string key="%d" value=""/>' % n for n in range(5000))
    yield b'<event><string key="concept:name" value="x"/>'
    yield b'<string key="time:timestamp" value="x"/></event>' + b"<event/>" * 5000
    yield b"</trace></log>"


def long_names_of_objects() -> Iterator[bytes]:
    for n in range(60):
        yield b'{"case": 1, "what": 1, "at": 1, "name": 1, "%d%s": 1}\n' % (n, b"x" * 900_000)


def long_names_of_attributes() -> Iterator[bytes]:
    yield b'<log><trace><string key="concept:name" value="1"/>'
    yield b'<string key="applicant" value="x"/>'
    for n in range(60):
        yield b'<event><string key="concept:name" value="x"/>'
        yield b'<string key="time:timestamp" value="x"/>'
        yield b'<string key="%d%s" value=""/></event>' % (n, b"x" * 900_000)
    yield b"</trace></log>"


def many_columns() -> Iterator[bytes]:
    yield HEADER.strip() + b"," * 15_000 + b"\n"
    yield from [ROW.strip() + b"," * 15_000 + b"\n"] * 300


def characters_of_four_bytes() -> Iterator[bytes]:
    yield HEADER
    yield from [ROW.replace("Ł".encode(), "\U0001f600".encode() + b"x" * 100_000)] * 300


@pytest.mark.parametrize(
    ("parts", "changes", "expected"),
    [
        (zeros, {}, 1),
        (long_names_of_objects, {"format": "jsonl"}, 60),
        (long_names_of_attributes, XES_MAP, 60),
        (many_columns, {}, 300),
        (characters_of_four_bytes, {}, 300),
        (one_open_quote, {}, 100_001),
        (a_long_header, {}, "or too long"),
        (a_long_object, {"format": "jsonl"}, "no column"),
        (a_long_comment, XES_MAP, "too long"),
        (many_attributes, XES_MAP, 2),
        (many_events_of_a_long_trace, XES_MAP, 5001),
    ],
)
def test_memory_is_flat_whatever_the_file(
    tmp_path: Path,
    parts: Callable[[], Iterator[bytes]],
    changes: Mapping[str, Any],
    expected: int | str,
) -> None:
    """A gzip of some hundred kilobytes that unpacks to up to 100 MB takes less than 24 MB."""
    path = tmp_path / "log.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for part in parts():
            file.write(part)
    command = [sys.executable, "-c", MEMORY, str(path), json.dumps({**PLAIN, **changes})]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    found, kilobytes = json.loads(ended.stdout)
    if isinstance(expected, str):
        assert expected in found
    else:
        assert found == expected
    assert kilobytes < 24 * 1024
