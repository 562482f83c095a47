"""Adds the keys for exact look-ups of candidates, and rebuilds the index for name searches."""

from django.core.management import CommandError
from django.db import DatabaseError, migrations, models

TABLE = "candidates_candidateprojection"
ADVICE = (
    "Searches need PostgreSQL's extension btree_gin, and it cannot be made: {error}\n"
    "It comes with the server's contrib package; have somebody who may run CREATE EXTENSION "
    "btree_gin in this database, and then migrate again."
)
# With the status, a search in one status reads that status of whom it finds and of nobody else:
# by itself it takes PostgreSQL through an index entry of everybody who has it.
TRIGRAMS = f"""
    CREATE INDEX candidates_search ON {TABLE}
    USING gin (search_key gin_trgm_ops{{status}}) WITH (gin_pending_list_limit = 256)"""
# The queries' very expressions. What waits to be put in its place is read by every look-up, so
# there is as little of it as the server allows.
KEYS = f"""
    CREATE INDEX candidates_keys ON {TABLE} USING gin (
        string_to_array(email_keys, E'\\n'), string_to_array(phone_keys, E'\\n')
    ) WITH (gin_pending_list_limit = 64)"""


def index_keys(apps, schema_editor):
    if schema_editor.connection.vendor != "postgresql":
        return
    with schema_editor.connection.cursor() as cursor:
        try:
            cursor.execute("CREATE EXTENSION IF NOT EXISTS btree_gin")
        except DatabaseError as error:
            raise CommandError(ADVICE.format(error=str(error).strip())) from error
        cursor.execute("DROP INDEX candidates_search")
        cursor.execute(TRIGRAMS.format(status=", status"))
        cursor.execute(KEYS)


def forgo_keys(apps, schema_editor):
    """The extension stays: others may use it by now."""
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP INDEX candidates_keys")
        schema_editor.execute("DROP INDEX candidates_search")
        schema_editor.execute(TRIGRAMS.format(status=""))


class Migration(migrations.Migration):

    dependencies = [
        ("candidates", "0002_lists"),
    ]

    operations = [
        migrations.AddField(
            model_name="candidateprojection",
            name="email_keys",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.AddField(
            model_name="candidateprojection",
            name="phone_keys",
            field=models.TextField(blank=True, default=""),
        ),
        migrations.RunPython(index_keys, forgo_keys),
    ]
