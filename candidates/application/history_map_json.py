"""Checks the JSON of a map, and names the key that will not do."""

import sys
from collections.abc import Collection, Mapping
from typing import Any, cast


class InvalidMap(ValueError):
    """The map cannot be used; the text names the key."""


def object_at(plain: Mapping[str, Any], name: str, *, where: str = "") -> Mapping[str, Any]:
    """The JSON object under `name`; an empty one where the key is missing. Raises InvalidMap."""
    return as_object(plain.get(name, {}), f"{where}{name}")


def as_object(value: Any, where: str) -> Mapping[str, Any]:
    """Raises InvalidMap."""
    if not isinstance(value, dict):
        raise InvalidMap(f"{where} is not a JSON object.")
    return cast(Mapping[str, Any], value)


def refuse_unknown(plain: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Raises InvalidMap for keys that would be passed over."""
    if unknown := sorted(plain.keys() - set(known)):
        raise InvalidMap(f"{where}: {', '.join(unknown)} means nothing here.")


def text_at(plain: Mapping[str, Any], name: str, *, where: str = "") -> str:
    """Raises InvalidMap for what is missing, empty or no text."""
    value = plain.get(name)
    if not isinstance(value, str) or not value:
        raise InvalidMap(f"{where}{name} is not a text.")
    return value


def stripped(plain: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same without white space around the names. Raises InvalidMap where two become one."""
    found = {name.strip(): value for name, value in plain.items()}
    if len(found) < len(plain):
        raise InvalidMap(f"{where}: two names differ in nothing but white space.")
    return found


def number_at(
    plain: Mapping[str, Any], name: str, *, where: str, default: float | None = None
) -> float:
    """Raises InvalidMap for what is no finite number."""
    value = plain.get(name, default)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number and abs(value) <= sys.float_info.max):
        raise InvalidMap(f"{where}{name} is not a number.")
    return float(value)
