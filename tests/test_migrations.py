"""The code of the release before goes on while a migration runs, and after it."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation

OURS = ("candidates", "eventstore", "recruitment")
BASELINE = {
    ("candidates", "0004_imported_rows"),
    ("eventstore", "0004_wrapped_secret"),
    ("recruitment", "0001_initial"),
}
"""From behind these on migrations are looked at: no release has run beside what they change."""
EXAMINED: dict[tuple[str, str], str] = {
    ("eventstore", "0005_snapshot_mac"): "It empties a cache, which older code fills again.",
    ("eventstore", "0006_key_checks"): (
        "A secret may be NULL, as it is once its key is declared lost. Its function does nothing."
    ),
    ("eventstore", "0010_place_of_log"): "It fills a column that older code does not know.",
}
"""Migrations that need a person's judgement, and why older code can live with them."""


def harms(operations: Sequence[Operation]) -> Iterator[str]:
    """What older code that knows nothing of these operations may stumble over."""
    made = {one.name_lower for one in operations if isinstance(one, migrations.CreateModel)}
    for one in operations:
        match one:
            case (
                migrations.CreateModel()
                | migrations.AddIndex()
                | migrations.RemoveIndex()
                | migrations.RenameIndex()
                | migrations.AlterModelOptions()
                | migrations.AlterModelManagers()
            ):
                continue
            case migrations.AddField(field=field) if (
                field.null or field.has_db_default() or field.many_to_many
            ):
                continue
            case migrations.AddField() | migrations.AddConstraint() if one.model_name_lower in made:
                continue
        yield one.describe()


def later_than_the_baseline() -> list[tuple[str, str]]:
    graph = MigrationLoader(None).graph
    before = {node for leaf in BASELINE for node in graph.forwards_plan(leaf)}
    return sorted(node for node in graph.nodes if node[0] in OURS and node not in before)


@pytest.mark.parametrize("node", later_than_the_baseline(), ids="/".join)
def test_older_code_can_live_with_it(node: tuple[str, str]) -> None:
    found = list(harms(MigrationLoader(None).disk_migrations[node].operations))
    if node in EXAMINED:
        assert found, "There is nothing to judge here: take it out of the list."
    else:
        assert found == []


ADDED: dict[str, Any] = {"model_name": "checkpoint", "name": "column"}


@pytest.mark.parametrize(
    ("operation", "harmless"),
    [
        (migrations.AddField(**ADDED, field=models.TextField(null=True)), True),
        (migrations.AddField(**ADDED, field=models.TextField(default="", db_default="")), True),
        (migrations.AddField(**ADDED, field=models.TextField(default="")), False),
        (migrations.RemoveField("checkpoint", "schema"), False),
        (migrations.RenameField("checkpoint", "schema", "version"), False),
        (migrations.AlterField("checkpoint", "schema", models.TextField()), False),
        (migrations.DeleteModel("checkpoint"), False),
        (migrations.RenameModel("checkpoint", "bookmark"), False),
        (migrations.AlterModelTable("checkpoint", "other"), False),
        (
            migrations.AddConstraint(
                "checkpoint", models.CheckConstraint(condition=models.Q(schema=1), name="one")
            ),
            False,
        ),
        (migrations.AlterUniqueTogether("checkpoint", {("schema", "position")}), False),
        (migrations.RunSQL("SELECT 1"), False),
        (migrations.RunPython(migrations.RunPython.noop), False),
        (migrations.SeparateDatabaseAndState(), False),
        (migrations.AddIndex("checkpoint", models.Index(fields=["schema"], name="i")), True),
    ],
    ids=lambda value: value.describe() if isinstance(value, Operation) else "",
)
def test_what_would_harm_it_is_found(operation: Operation, harmless: bool) -> None:
    assert (list(harms([operation])) == []) == harmless


def test_what_is_done_to_a_table_that_it_made_itself_harms_nobody() -> None:
    made = migrations.CreateModel("Bookmark", [("id", models.BigAutoField(primary_key=True))])
    constraint = models.CheckConstraint(condition=models.Q(id=1), name="one")
    assert list(harms([made, migrations.AddConstraint("bookmark", constraint)])) == []
