"""A projection is a model, a projector and one line of wiring: the documentation's own lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection, models
from django.test.utils import isolate_apps

from candidates.application.commands import NoteOnCandidate, RescoreCandidate
from candidates.models import CandidateProjection
from eventstore import wiring
from eventstore.infrastructure.rows import DjangoProjectionRows
from tests.factories import add, added
from tests.given import given
from tests.read_models import appended, failed, replay, traces

pytestmark = pytest.mark.django_db(transaction=True)
DOCUMENT = Path(__file__).resolve().parents[2] / "recruitment" / "docs" / "event-store.md"


@pytest.fixture
def scores(monkeypatch: pytest.MonkeyPatch) -> Iterator["models.Manager[Any]"]:
    """The rows of the projection that the documentation adds."""
    for name in ("_projections", "_projectors", "_models", "_deliveries"):
        monkeypatch.setattr(wiring, name, dict(getattr(wiring, name)))
    for publisher in (wiring._local, wiring._in_transaction):
        monkeypatch.setattr(publisher, "_handlers", list(publisher._handlers))
    section = DOCUMENT.read_text().split("### Adding a projection")[1].split("\n## ")[0]
    code: dict[str, Any] = {"__name__": "candidates.models"}
    with isolate_apps("candidates"):
        for block in re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL):
            exec(block, code)
    model = code["NewestScore"]
    with connection.schema_editor() as editor:
        editor.create_model(model)
    yield model._default_manager
    with connection.schema_editor() as editor:
        editor.delete_model(model)


def shown(scores: "models.Manager[Any]") -> dict[UUID, tuple[int, float]]:
    return {row.id: (row.version, row.score) for row in scores.all()}


def rescored() -> UUID:
    """By commands: added with 80, rescored to 90 and noted on."""
    id = given(add(candidate_id=uuid4(), score=80.0)).candidate_id
    given(RescoreCandidate(candidate_id=id, score=90.0, why="second interview"))
    given(NoteOnCandidate(candidate_id=id, text="called back"))
    return id


@pytest.mark.parametrize("delivery", ["on_commit", "in_transaction"])
def test_commands_are_delivered_to_it(
    scores: "models.Manager[Any]", delivery: str, settings: Any
) -> None:
    settings.EVENT_DELIVERY = delivery
    id = rescored()
    assert shown(scores) == {id: (3, 90.0)}


def test_a_follower_feeds_it(scores: "models.Manager[Any]", settings: Any) -> None:
    settings.EVENT_DELIVERY = "follow"
    id = rescored()
    assert shown(scores) == {}
    wiring.follower(["scores"]).run(once=True)
    assert shown(scores) == {id: (3, 90.0)}


def test_it_is_repaired(scores: "models.Manager[Any]") -> None:
    id = rescored()
    scores.all().delete()
    wiring.repair("scores")
    assert shown(scores) == {id: (3, 90.0)}


def test_it_is_replayed_alone_and_with_the_others(scores: "models.Manager[Any]") -> None:
    id = rescored()
    for arguments in ([], ["--projection", "scores"], ["--stream", str(id)]):
        scores.update(score=1.0)
        replay(*arguments)
        assert shown(scores) == {id: (3, 90.0)}
        assert not traces()


def test_it_is_checked(scores: "models.Manager[Any]") -> None:
    id = rescored()
    assert replay("--check") == ["0 different, 0 behind"]
    scores.update(score=1.0)
    unseen = appended(added())
    _, printed = failed("--check", "--projection", "scores")
    assert sorted(printed) == sorted(
        [
            f"scores {id}, version 3, score: stored 1.0, rebuilt 90.0",
            f"scores {unseen}: behind at 0 of 1",
            "1 different, 1 behind",
        ]
    )


def test_its_stale_rows_show_in_the_status_until_they_are_replayed(
    scores: "models.Manager[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    def schemas() -> tuple[int, int]:
        (status,) = (one for one in wiring.projection_statuses() if one.name == "scores")
        return status.stored_schema, status.schema

    rescored()
    replay()
    monkeypatch.setattr(type(wiring._projectors["scores"]), "schema", 2)
    assert schemas() == (1, 2)
    replay("--projection", "scores")
    assert schemas() == (2, 2)


def test_a_name_that_is_taken_is_refused(scores: "models.Manager[Any]") -> None:
    with pytest.raises(ImproperlyConfigured, match="a projection scores already"):
        wiring.register_projection(wiring._projectors["scores"], CandidateProjection)


@isolate_apps("candidates")
def test_a_model_without_the_columns_that_rows_need_is_refused(
    scores: "models.Manager[Any]",
) -> None:
    class Bare(models.Model):  # noqa: DJ008
        score = models.FloatField()

        class Meta:
            app_label = "candidates"

    class Listed(models.Model):  # noqa: DJ008
        pk = models.CompositePrimaryKey("id", "version")
        id = models.UUIDField()
        version = models.PositiveIntegerField()

        class Meta:
            app_label = "candidates"

    for model, lacking in ((Bare, "version"), (Listed, "shown_version")):
        with pytest.raises(ImproperlyConfigured, match=f"{model.__name__} has no {lacking}: "):
            DjangoProjectionRows(model)
