"""`manage.py eventstore_schema`: no class of events changes its fields without a new version."""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, make_dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from eventstore import wiring
from eventstore.domain.events import DomainEvent
from eventstore.domain.personal import Personal
from eventstore.infrastructure.mapper import EventMapper


def run(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("eventstore_schema", path, stdout=out, **options)
    return out.getvalue()


def test_the_committed_file_is_right() -> None:
    """Where this fails an event class was changed: its version counts up, or the file is written.

    `manage.py eventstore_schema` says which.
    """
    assert "as they were" in run(settings.EVENT_SCHEMAS, check=True)


def test_it_describes_every_golden_file() -> None:
    described = json.loads(settings.EVENT_SCHEMAS.read_text())["$defs"]
    golden = Path(__file__).parent.parent / "golden"
    assert set(described) == {path.stem for path in golden.glob("*.json")}
    for path in golden.glob("*.json"):
        data = json.loads(json.loads(path.read_text())["data"])
        assert (
            set(described[path.stem]["required"])
            <= set(data)
            <= set(described[path.stem]["properties"])
        )


def event(version: int = 1, name: str = "test.weighed", **fields: Any) -> type[DomainEvent]:
    """A class as it stands at one moment of a project's life."""
    given = [(n, *of) if isinstance(of, tuple) else (n, of) for n, of in fields.items()]
    made = make_dataclass(
        "Weighed", given, bases=(DomainEvent,), frozen=True, slots=True, kw_only=True
    )
    made.event_type, made.schema_version = name, version  # type: ignore[attr-defined]
    return made


def unchanged(data: Any) -> Any:
    return data


Register = Callable[..., None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Start the process anew with these classes and no others."""

    def start(*classes: type[DomainEvent], **registered: Any) -> None:
        mapper = EventMapper()
        mapper.register(classes, **registered)
        monkeypatch.setattr(wiring, "_mapper", mapper)

    return start


@pytest.fixture
def path(tmp_path: Path, register: Register) -> Path:
    """A file that describes version 1 of one class."""
    register(event(grams=float))
    path = tmp_path / "events.json"
    run(path)
    return path


def test_every_version_ever_written_stays_in_the_file(path: Path, register: Register) -> None:
    register(event(2, kilos=float), upcasters={("test.weighed", 1): unchanged})
    assert run(path) == "2 versions of events, 1 new\n"
    described = json.loads(path.read_text())["$defs"]
    assert {name: list(schema["properties"]) for name, schema in described.items()} == {
        "test.weighed.1": ["grams"],
        "test.weighed.2": ["kilos"],
    }
    assert run(path, check=True) == "2 versions of events are as they were\n"


CHANGES: list[dict[str, Any]] = [
    {"kilos": float},
    {"grams": int},
    {"grams": float | None},
    {"grams": float, "by": str},
    {},
]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("fields", CHANGES, ids=str)
def test_a_class_that_changed_without_a_new_version_is_named(
    path: Path, register: Register, fields: dict[str, Any], check: bool
) -> None:
    before = path.read_text()
    register(event(**fields))
    with pytest.raises(CommandError, match=r"^test\.weighed changed without a new version") as told:
        run(path, check=check)
    assert told.value.returncode == 1
    assert path.read_text() == before


def test_with_a_new_version_and_its_upcaster_it_passes(path: Path, register: Register) -> None:
    register(event(2, kilos=float), upcasters={("test.weighed", 1): unchanged})
    with pytest.raises(CommandError, match=r"test\.weighed\.2 is not in .*: write it there"):
        run(path, check=True)
    run(path)
    run(path, check=True)


def test_names_words_and_order_in_the_code_are_free(path: Path, register: Register) -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class Scaled:
        """Of what was put on the scales."""

        title: str
        grams: float

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Measured:
        grams: float
        title: str

    register(event(name="test.nested", on=Scaled, by=str), event(grams=float))
    run(path)
    register(event(name="test.nested", by=str, on=Measured), event(grams=float))
    run(path, check=True)
    nested = json.loads(path.read_text())["$defs"]["test.nested.1"]["properties"]["on"]
    assert set(nested["properties"]) == {"grams", "title"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (str, Annotated[str, Personal()]),
        (Annotated[str, Personal()], str),
        (
            Annotated[dict[str, Any], Personal()],
            Annotated[dict[str, Any], Personal(except_keys=("source",))],
        ),
    ],
)
def test_what_is_personal_changes_with_a_new_version_only(
    tmp_path: Path, register: Register, before: Any, after: Any
) -> None:
    """A mark that is lost would store what people are called for all to read."""
    path = tmp_path / "events.json"
    register(event(about=(before, None)))
    run(path)
    register(event(about=(after, None)))
    with pytest.raises(CommandError, match=r"^test\.weighed changed without a new version"):
        run(path, check=True)


def test_an_event_that_lost_its_class_is_named(path: Path, register: Register) -> None:
    register(event(name="test.measured", grams=float))
    with pytest.raises(CommandError, match=r"^test\.weighed has no class any more"):
        run(path, check=True)


def test_a_renamed_type_keeps_its_past(path: Path, register: Register) -> None:
    renamed = event(2, name="test.measured", kilos=float)
    register(
        renamed,
        upcasters={("test.measured", 1): unchanged},
        aliases={"test.weighed": "test.measured"},
    )
    run(path)
    run(path, check=True)
    assert set(json.loads(path.read_text())["$defs"]) == {"test.weighed.1", "test.measured.2"}


def test_a_version_that_went_back_is_named(path: Path, register: Register) -> None:
    register(event(2, kilos=float), upcasters={("test.weighed", 1): unchanged})
    run(path)
    register(event(grams=float))
    with pytest.raises(CommandError, match=r"^test\.weighed was at version 2 and is at 1 now"):
        run(path, check=True)


def test_a_version_that_nobody_described_is_named(tmp_path: Path, register: Register) -> None:
    register(event(2, kilos=float), upcasters={("test.weighed", 1): unchanged})
    with pytest.raises(CommandError, match=r"^test\.weighed is not described in version 1"):
        run(tmp_path / "events.json")
    assert not (tmp_path / "events.json").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"$defs": []}', "\xff"])
def test_a_file_of_something_else_is_refused(path: Path, content: str) -> None:
    path.write_text(content, encoding="latin-1")
    with pytest.raises(CommandError, match=r"events\.json"):
        run(path)
    assert path.read_text(encoding="latin-1") == content


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, register: Register) -> None:
    register(event(grams=float))
    with pytest.raises(CommandError, match="cannot be written"):
        run(tmp_path / "nowhere" / "events.json")
