from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0002_checkpoint_blocked_by'),
    ]

    operations = [
        migrations.CreateModel(
            name='StrayMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('body', models.BinaryField()),
                ('kept_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='checkpoint',
            name='received',
            field=models.BigIntegerField(default=0),
        ),
        migrations.CreateModel(
            name='WaitingMessage',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('projection', models.CharField(max_length=100)),
                ('stream_id', models.UUIDField()),
                ('version', models.PositiveIntegerField()),
                ('body', models.BinaryField()),
                ('erases', models.BooleanField()),
                ('kept_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
                'indexes': [models.Index(fields=['projection', 'kept_at'], name='eventstore_waiting_since')],
                'constraints': [models.UniqueConstraint(fields=('projection', 'stream_id', 'version'), name='eventstore_waiting_message')],
            },
        ),
    ]
