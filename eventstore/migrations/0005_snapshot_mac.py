from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0004_wrapped_secret'),
    ]

    operations = [
        # A cache. Nobody can tell any more whether what stands in it was taken by this system.
        migrations.RunSQL('DELETE FROM eventstore_snapshot', migrations.RunSQL.noop),
        migrations.AddField(
            model_name='snapshot',
            name='mac',
            field=models.BinaryField(null=True),
        ),
    ]
