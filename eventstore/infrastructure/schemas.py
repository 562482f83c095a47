"""A JSON Schema for every version of every event, kept so that no class changes unnoticed."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from eventstore.domain.events import DomainEvent
from eventstore.domain.personal import personal_fields
from eventstore.infrastructure.mapper import EventMapper

_VALUES = {"default", "const", "enum", "examples"}
"""Keywords that hold values and no schemas."""


class ComparedSchemas(NamedTuple):
    schemas: dict[str, Any]
    """All that were kept, as they were, and those of today's classes; by `name_of`."""
    new: list[str]
    """Which of them were not kept yet."""
    faults: list[str]
    """What must not be: sentences that begin with the event's type."""


def name_of(event_type: str, version: int) -> str:
    return f"{event_type}.{version}"


def compare(kept: Mapping[str, Any], mapper: EventMapper) -> ComparedSchemas:
    today = {
        name_of(cls.event_type, cls.schema_version): schema_of(cls)
        for cls in mapper.classes.values()
    }
    return ComparedSchemas(
        schemas={**today, **kept},
        new=sorted(today.keys() - kept.keys()),
        faults=[*_changed(kept, today), *_missing(kept, mapper), *_unreadable(kept, mapper)],
    )


def components_of(
    classes: Mapping[str, type[DomainEvent]], *, prefix: str
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a reference to the schema of each event type's data, and all schemas by name.

    They are for a document that keeps schemas under `prefix`, such as `#/components/schemas/`.
    """
    references, components = msgspec.json.schema_components(
        list(classes.values()), ref_template=prefix + "{name}"
    )
    by_type = dict(zip(classes, references, strict=True))
    for event_type, cls in classes.items():
        schema = components[by_type[event_type]["$ref"].removeprefix(prefix)]
        for name, marker in personal_fields(cls).items():
            left = f", but for {', '.join(marker.except_keys)}" if marker.except_keys else ""
            schema["properties"][name]["description"] = f"Personal: absent once erased{left}."
    for name, schema in components.items():
        components[name] = {
            key: value
            for key, value in schema.items()
            # Titles repeat the names, docstrings are for readers of the code.
            if key not in {"title", "description"} and value != []
        }
        if "enum" in schema:
            components[name]["type"] = "string"
    return by_type, components


def schema_of(cls: type[DomainEvent]) -> Any:
    """Of the class's data, and what of it is encrypted. Names and words of the code are free."""
    schema = msgspec.json.schema(cls)
    bare = _bare(schema, schema["$defs"])
    for name, marker in personal_fields(cls).items():
        bare["properties"][name]["x-personal"] = True
        if marker.except_keys:
            bare["properties"][name]["x-readable-keys"] = sorted(marker.except_keys)
    return bare


def _changed(kept: Mapping[str, Any], today: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in today.items():
        if name in kept and kept[name] != schema:
            event_type, _, version = name.rpartition(".")
            yield (
                f"{event_type} changed without a new version: set schema_version to "
                f"{int(version) + 1} and register an upcaster from version {version}."
            )


def _missing(kept: Mapping[str, Any], mapper: EventMapper) -> Iterator[str]:
    for event_type, cls in mapper.classes.items():
        names = [event_type, *(old for old, new in mapper.aliases.items() if new == event_type)]
        for version in range(1, cls.schema_version):
            if not any(name_of(name, version) in kept for name in names):
                yield (
                    f"{event_type} is not described in version {version}, which no class has any "
                    "more: add its schema by hand."
                )


def _unreadable(kept: Mapping[str, Any], mapper: EventMapper) -> Iterator[str]:
    for name in kept:
        event_type, _, version = name.rpartition(".")
        cls = mapper.classes.get(mapper.aliases.get(event_type, event_type))
        if cls is None or not version.isdecimal():
            yield (
                f"{event_type} has no class any more: stored events could not be read. Register "
                "it, or an alias from this name to the one it has now."
            )
        elif int(version) > cls.schema_version:
            yield f"{event_type} was at version {version} and is at {cls.schema_version} now."


def _bare(node: Any, definitions: Mapping[str, Any], *, named: bool = False) -> Any:
    """The schema with what it refers to put in place, without titles, descriptions and order.

    Under `named` the keys are those of the data.
    """
    match node:
        case {"$ref": str(ref)} if not named:
            return _bare(definitions[ref.rpartition("/")[2]], definitions)
        case dict():
            return {
                key: value
                if key in _VALUES and not named
                else _bare(value, definitions, named=key == "properties" and not named)
                for key, value in node.items()
                if named or key not in {"title", "description"}
            }
        case list():
            bare = [_bare(item, definitions) for item in node]
            return sorted(bare) if all(isinstance(item, str) for item in bare) else bare
    return node
