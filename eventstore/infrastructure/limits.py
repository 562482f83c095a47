"""How long a statement may wait or run, told to the server as a connection begins."""

from typing import Any


def limit(database: dict[str, Any], *, lock: int, statement: int = 0) -> None:
    """Takes settings of a database, and seconds; 0 is no limit.

    Whatever DATABASE_URL states in its `options` goes before this. SQLite has a time to wait for
    its one lock, which is in the settings already, and none for a statement.
    """
    if "postgresql" not in database["ENGINE"]:
        return
    options = database["OPTIONS"]
    for name, seconds in (("lock_timeout", lock), ("statement_timeout", statement)):
        if seconds and f"{name}=" not in options.get("options", ""):
            options["options"] = f"-c {name}={seconds * 1000} {options.get('options', '')}".strip()
