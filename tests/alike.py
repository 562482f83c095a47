"""Whether an answer is as it is shown somewhere: ids, times and positions are others each time."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

COUNTED = frozenset({"position", "projected_version", "logposition"})


def check_alike(shown: Any, given: Any, where: str = "", *, shortened: bool = False) -> None:
    """Fails with the place where `given` is not what `shown` says.

    Of a list the beginning may be shown; of an object, where `shortened`, some members.
    """
    match shown:
        case dict():
            assert shown.keys() <= given.keys() if shortened else shown.keys() == given.keys(), (
                f"{where}: {sorted(shown)} and {sorted(given)}"
            )
            for key in shown.keys() - COUNTED:
                check_alike(shown[key], given[key], f"{where}/{key}", shortened=shortened)
        case list():
            assert len(shown) <= len(given), where
            for index, item in enumerate(shown):
                check_alike(item, given[index], f"{where}/{index}", shortened=shortened)
        case _:
            kind = _kind(shown)
            assert shown == given or (kind and kind == _kind(given)), (
                f"{where}: {shown} and {given}"
            )


def _kind(value: Any) -> str | None:
    """Of what differs each time; None for everything else."""
    if not isinstance(value, str):
        return "seconds" if isinstance(value, float) else None
    for kind, read in (("id", UUID), ("day", date.fromisoformat), ("time", datetime.fromisoformat)):
        try:
            read(value)
        except ValueError:
            continue
        return kind
    return None
