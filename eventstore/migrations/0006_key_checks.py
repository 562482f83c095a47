from django.db import migrations, models

import eventstore.models
from eventstore.infrastructure.triggers import drop_key_triggers


def drop(apps, schema_editor):
    """They look into a table that is about to go."""
    drop_key_triggers(schema_editor.connection)


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0005_snapshot_mac'),
    ]

    operations = [
        migrations.CreateModel(
            name='KeyCheck',
            fields=[
                ('fingerprint', models.CharField(max_length=8, primary_key=True, serialize=False)),
                ('check_value', models.BinaryField()),
                ('adopted_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AlterField(
            model_name='wrappedsecret',
            name='wrapped',
            field=models.BinaryField(null=True),
        ),
        migrations.AddIndex(
            model_name='streamkey',
            index=models.Index(eventstore.models.Fingerprint('wrapped'), name='eventstore_key_fingerprint'),
        ),
        migrations.AlterModelOptions(
            name='streamkey',
            options={'default_permissions': (), 'permissions': [('declare_key_lost', 'Can declare a wrapping key lost for good')]},
        ),
        migrations.RunPython(migrations.RunPython.noop, drop),
    ]
