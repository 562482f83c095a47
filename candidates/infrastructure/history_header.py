"""Says what is wrong with the first line of a CSV, without quoting it: it may be somebody's row."""

import csv
from collections.abc import Collection, Mapping

from candidates.application.history_rows import UnusableFile
from candidates.infrastructure.history_text import decoded

COLUMNS = 20_000
"""More than any spreadsheet or database has; each row takes memory for every one."""
_DELIMITERS: Mapping[str, str] = {
    ",": "commas",
    ";": "semicolons",
    "\t": "tabs",
    "|": "vertical bars",
    ":": "colons",
}


def check_header(header: list[str], columns: Collection[str], *, text: str, delimiter: str) -> None:
    """Raises UnusableFile for a header that lacks one of `columns` or has it twice.

    `text` is the line or lines that it stood on.
    """
    missing = sorted(set(columns) - set(header))
    if not header:
        raise UnusableFile(f"The log is empty: it has no column {', '.join(missing)}.")
    if len(header) > COLUMNS:
        raise UnusableFile(f"The log cannot be read: it has more than {COLUMNS} columns.")
    if missing:
        hint = _hint(header, missing, columns, text, delimiter)
        raise UnusableFile(f"The log has no column {', '.join(missing)}.{hint}")
    if twice := sorted(name for name in columns if header.count(name) > 1):
        raise UnusableFile(f"The log has more than one column {', '.join(twice)}.")


def _hint(
    header: list[str], missing: list[str], columns: Collection[str], text: str, delimiter: str
) -> str:
    if text.casefold().startswith("sep="):
        return " Its first line is a hint for spreadsheets (sep=): take it out."
    if other := _other_delimiter(header, columns, text, delimiter):
        shown = {"\t": "\\t"}.get(other, other)
        return (
            f' It looks separated by {_DELIMITERS[other]}: say "delimiter": "{shown}" in the map.'
        )
    if not decoded(header):
        return " Its first line is not UTF-8: say `encoding` in the map."
    # These differ from the map's own words by case and white space alone, so they quote nobody.
    written = {name.strip().casefold(): name for name in header}
    alike = [written[key] for name in missing if (key := name.strip().casefold()) in written]
    if alike:
        return f" It has {', '.join(repr(name) for name in alike)}."
    if len(missing) == len(columns):
        return " The first line of a CSV names the columns, and none of them is there."
    return ""


def _other_delimiter(
    header: list[str], columns: Collection[str], text: str, delimiter: str
) -> str | None:
    """One that finds more of the columns, or else parts a line that was in one piece."""
    found = {delimiter: len(set(columns) & set(header))}
    parts = {delimiter: len(header)}
    for other in (one for one in _DELIMITERS if one != delimiter):
        try:
            names = next(csv.reader(text.splitlines(keepends=True), delimiter=other), [])
        except csv.Error:
            continue
        found[other], parts[other] = len(set(columns) & set(names)), len(names)
    best = max(found, key=lambda other: (found[other], other == delimiter))
    if found[best] > found[delimiter]:
        return best
    widest = max(parts, key=lambda other: (parts[other], other == delimiter))
    return widest if len(header) == 1 and parts[widest] >= len(set(columns)) else None
