"""Which fields of an event belong to a person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field: `text: Annotated[str, Personal()] = ""`.

    Its value is kept encrypted under its stream's own key. Once that key is destroyed the field
    is absent, so it needs a default.
    """

    except_keys: tuple[str, ...] = ()
    """Of an object: keys whose values say nothing about the person and stay readable."""


def personal_fields(event_class: type[Any]) -> Mapping[str, Personal]:
    """The marked fields by name."""
    hints = get_type_hints(event_class, include_extras=True)
    return {
        name: marker
        for name, hint in hints.items()
        for marker in getattr(hint, "__metadata__", ())
        if isinstance(marker, Personal)
    }
