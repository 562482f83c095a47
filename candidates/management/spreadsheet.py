"""Writes texts into CSVs that people open as spreadsheets."""


def as_text(cell: str) -> str:
    """The cell with a ' in front where a spreadsheet would take it for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
