"""What the lists are filtered, ordered and searched by."""

import candidates.models
from django.core.management import CommandError
from django.db import DatabaseError, migrations, models

ADVICE = (
    "Searches need PostgreSQL's extension pg_trgm, and it cannot be made: {error}\n"
    "It comes with the server's contrib package; have somebody who may run CREATE EXTENSION pg_trgm "
    "in this database, and then migrate again."
)
# Up to 256 KiB wait to be put in their place, since every search has to read what waits.
TRIGRAMS = """
    CREATE INDEX candidates_search ON candidates_candidateprojection
    USING gin (search_key gin_trgm_ops) WITH (gin_pending_list_limit = 256)"""


# From the usual hundred values the planner takes what one candidate in a hundred has for rare.
STATISTICS = """
    ALTER TABLE candidates_candidateprojection
    ALTER COLUMN search_key SET STATISTICS {target}, ALTER COLUMN score SET STATISTICS {target}"""


def ease_searches(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        try:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        except DatabaseError as error:
            raise CommandError(ADVICE.format(error=str(error).strip())) from error
        cursor.execute(TRIGRAMS)
        cursor.execute(STATISTICS.format(target=200))


def forgo_searches(apps, schema_editor):
    """The extension stays: others may use it by now."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX candidates_search")
        schema_editor.execute(STATISTICS.format(target=-1))


class Migration(migrations.Migration):

    dependencies = [
        ("candidates", "0001_initial"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="candidateprojection",
            name="candidates_added",
        ),
        migrations.RemoveIndex(
            model_name="candidateprojection",
            name="candidates_email",
        ),
        migrations.RemoveIndex(
            model_name="candidateprojection",
            name="candidates_phone",
        ),
        migrations.RemoveField(model_name="candidateprojection", name="email_key"),
        migrations.RemoveField(model_name="candidateprojection", name="phone_key"),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=models.Index(fields=["source", "added_position"], name="candidates_source"),
        ),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=models.Index(fields=["applied_position", "added_position"], name="candidates_applied"),
        ),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=models.Index(fields=["owner", "added_position"], name="candidates_owner"),
        ),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=candidates.models.SearchedInOrder(fields=["added_position", "search_key"], name="candidates_added"),
        ),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=models.Index(fields=["added_at", "added_position"], name="candidates_added_at"),
        ),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=models.Index(fields=["score", "added_position"], name="candidates_by_score"),
        ),
        migrations.AddIndex(
            model_name="candidateprojection",
            index=models.Index(fields=["position"], name="candidates_changed"),
        ),
        # The table's model does not know it, and nothing on PostgreSQL makes the table anew but a
        # replay, which takes the indexes over.
        migrations.RunPython(ease_searches, forgo_searches),
    ]
