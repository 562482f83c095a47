"""Which fields of an event belong to a person."""

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, get_args, get_type_hints


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field: `text: Annotated[str, Personal()] = ""`.

    Its value is kept encrypted under its stream's own key. Once that key is destroyed the field
    is absent, so it needs a default.
    """

    except_keys: tuple[str, ...] = ()
    """Of an object: keys whose values say nothing about the person and stay readable."""


def personal_fields(event_class: type[Any]) -> Mapping[str, Personal]:
    """The marked fields by name.

    Raises ValueError where a part of a field's type is marked: the value would stay readable.
    """
    hints = get_type_hints(event_class, include_extras=True)
    marked = {}
    for name, hint in hints.items():
        if markers := _markers(hint):
            marked[name] = markers[0]
        elif any(_holds_marker(part) for part in _parts(hint)):
            raise ValueError(
                f"{event_class.event_type}.{name} is personal in a part: mark the field as a whole."
            )
    return marked


def _markers(hint: Any) -> list[Personal]:
    return [one for one in getattr(hint, "__metadata__", ()) if isinstance(one, Personal)]


def _parts(hint: Any) -> list[Any]:
    """What a type is made of: the members of a union, the items of a list, a dataclass's fields."""
    if hasattr(hint, "__metadata__"):
        return _parts(hint.__origin__)
    if is_dataclass(hint) and isinstance(hint, type):
        return list(get_type_hints(hint, include_extras=True).values())
    return list(get_args(hint))


def _holds_marker(hint: Any) -> bool:
    return bool(_markers(hint)) or any(_holds_marker(part) for part in _parts(hint))
