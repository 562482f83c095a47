"""The committed description of what goes over the broker."""

import io
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from eventstore.domain.events import DomainEvent, Metadata
from eventstore.infrastructure.messaging.message import RESTORED, restored_notice
from eventstore.wiring import mapper
from tests.eventstore.test_message import EVENTS, LOG, body


def run(path: Path, **options: Any) -> str:
    out = io.StringIO()
    call_command("eventstore_asyncapi", path, stdout=out, **options)
    return out.getvalue()


def test_the_committed_file_is_right() -> None:
    """Where this fails, `manage.py eventstore_asyncapi` writes it anew."""
    assert run(settings.EVENT_ASYNCAPI, check=True) == "asyncapi.json describes what is published\n"


def described() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(settings.EVENT_ASYNCAPI.read_text(encoding="utf-8"))
    return content


def test_every_event_type_is_a_message_of_every_channel() -> None:
    for channel in described()["channels"].values():
        assert set(channel["messages"]) == {*mapper().classes, RESTORED}
    assert {event.event_type for event in EVENTS} == set(mapper().classes)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.event_type)
def test_what_is_published_is_as_described_and_nothing_else_is_said(event: DomainEvent) -> None:
    document = described()
    metadata = Metadata(actor="rita", door="api", causation_id=uuid4())
    message = json.loads(body(event, metadata=metadata, correlation_id=uuid4()))
    payload = document["components"]["messages"][event.event_type]["payload"]
    jsonschema.validate(message, {**payload, "components": document["components"]})
    attributes = document["components"]["schemas"]["cloudevent"]["properties"]
    assert set(message) == set(attributes)
    assert set(message["data"]) == set(attributes["data"]["properties"])
    wrong = {**message, "type": "candidate.promoted"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, {**payload, "components": document["components"]})


def test_the_notice_of_a_restore_is_as_described() -> None:
    message = json.loads(restored_notice(LOG, 7))
    payload = described()["components"]["messages"][RESTORED]["payload"]
    jsonschema.validate(message, payload)
    assert set(message) == set(payload["properties"])


def test_every_reference_leads_somewhere() -> None:
    document = described()

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if "$ref" in node else []
            return own + [one for value in node.values() for one in references(value)]
        return [one for item in node for one in references(item)] if isinstance(node, list) else []

    found = references(document)
    assert len(found) > len(EVENTS)
    for reference in found:
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_a_file_that_is_not_right_is_told_and_written(tmp_path: Path) -> None:
    path = tmp_path / "asyncapi.json"
    with pytest.raises(CommandError, match="write it anew"):
        run(path, check=True)
    run(path)
    assert path.read_bytes() == settings.EVENT_ASYNCAPI.read_bytes()
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(CommandError, match="write it anew"):
        run(path, check=True)
    assert path.read_text(encoding="utf-8") == "{}"


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="missing"):
        run(tmp_path / "missing" / "asyncapi.json")
