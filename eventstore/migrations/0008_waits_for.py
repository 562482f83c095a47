from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('eventstore', '0007_pause'),
    ]

    operations = [
        migrations.AddField(
            model_name='checkpoint',
            name='waits_for',
            field=models.CharField(db_default='', default='', max_length=500),
        ),
        migrations.AddField(
            model_name='waitingmessage',
            name='waits_for',
            field=models.CharField(db_default='', default='', max_length=500),
        ),
    ]
