from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0006_key_checks'),
    ]

    operations = [
        migrations.CreateModel(
            name='Pause',
            fields=[
                ('name', models.CharField(max_length=100, primary_key=True, serialize=False)),
                ('reason', models.CharField(max_length=500)),
                ('since', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
    ]
