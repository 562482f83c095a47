from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0008_waits_for'),
    ]

    operations = [
        migrations.AddField(
            model_name='checkpoint',
            name='epoch',
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='forked',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='hash',
            field=models.BinaryField(null=True),
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='received_as',
            field=models.UUIDField(null=True),
        ),
        migrations.AddField(
            model_name='logidentity',
            name='epoch',
            field=models.PositiveIntegerField(db_default=1, default=1),
        ),
        migrations.AddField(
            model_name='logidentity',
            name='place',
            field=models.CharField(db_default='', default='', max_length=200),
        ),
    ]
