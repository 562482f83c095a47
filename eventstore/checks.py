"""What `manage.py check --database NAME` says about the log."""

from collections.abc import Sequence
from typing import Any

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from eventstore import wiring


def check_log_guards(databases: Sequence[str] | None, **_: Any) -> list[checks.CheckMessage]:
    """One warning for each trigger and property of the table that is missing or weakened.

    And one for each file of an SQLite database that others than its owner may read or write, and
    for each wrapping key that is needed and does not work, or may not write.
    """
    messages: list[checks.CheckMessage] = []
    for alias in databases or ():
        try:
            missing = wiring.missing_log_guards(connections[alias])
        except ImproperlyConfigured as error:
            messages.append(checks.Error(str(error), obj=alias, id="eventstore.E001"))
            continue
        messages += [
            checks.Warning(
                f"The log is not protected as it should be: {name} is missing or weakened.",
                hint="Run `manage.py migrate` as the role that owns the tables.",
                obj=alias,
                id="eventstore.W001",
            )
            for name in missing
        ]
        messages += [
            checks.Warning(
                f"Others than its owner have rights to {file} (mode {mode:o}).",
                hint=f"Run `chmod 600 {file}`, unless they are meant to have them.",
                obj=alias,
                id="eventstore.W002",
            )
            for file, mode in wiring.files_open_to_others(connections[alias])
        ]
        messages += [
            # No error, for that would keep `migrate` from running.
            checks.Warning(trouble, obj=alias, id="eventstore.W003")
            for trouble in wiring.key_troubles(alias)
        ]
    return messages
