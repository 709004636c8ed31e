import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="ExecutionDiff",
            fields=[
                (
                    "execution",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="stored_diff",
                        serialize=False,
                        to="tasks.execution",
                    ),
                ),
                ("diff", models.JSONField(help_text="As over REST: text, files, their lines, truncated.")),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={"db_table": "execution_diff"},
        ),
        migrations.AddField(
            model_name="schedule",
            name="last_missed",
            field=models.IntegerField(
                db_default=0,
                default=0,
                help_text="How often it had been due before that without anybody looking.",
            ),
        ),
        migrations.AddField(
            model_name="schedule",
            name="is_local_owner",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Made by the local owner: its executions may use what is theirs.",
            ),
        ),
    ]
