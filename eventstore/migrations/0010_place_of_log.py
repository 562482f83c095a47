from django.db import DEFAULT_DB_ALIAS, migrations

from eventstore.infrastructure.identity import place


def keep_place(apps, schema_editor):
    # Here and not where it is first needed: who relays may have no right to say where the log is.
    if schema_editor.connection.alias == DEFAULT_DB_ALIAS:
        identity = apps.get_model('eventstore', 'LogIdentity')
        identity.objects.filter(place='').update(place=place())


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0009_epochs'),
    ]

    operations = [
        migrations.RunPython(keep_place, migrations.RunPython.noop, elidable=True),
    ]
