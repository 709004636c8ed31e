import django.db.models.deletion
from django.db import migrations, models

_EMPTY = models.Value({}, models.JSONField())


class Migration(migrations.Migration):
    dependencies = [("tasks", "0002_execution_diff")]

    operations = [
        migrations.AddField(
            model_name="task",
            name="added_by_call",
            field=models.UUIDField(
                help_text="The tool call that added it: repeated after a crash, it adds nothing.",
                null=True,
                unique=True,
            ),
        ),
        migrations.AddField(
            model_name="execution",
            name="first_task",
            field=models.ForeignKey(
                help_text="The task it was started for.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="started_executions",
                to="tasks.task",
            ),
        ),
        migrations.AlterField(
            model_name="execution",
            name="task",
            field=models.ForeignKey(
                db_index=False,
                help_text="The task it works on: a continuous one goes on with others.",
                on_delete=django.db.models.deletion.CASCADE,
                related_name="executions",
                to="tasks.task",
            ),
        ),
        migrations.AddField(
            model_name="execution",
            name="options",
            field=models.JSONField(
                db_default=_EMPTY,
                default=dict,
                help_text="Of its runs: model, agent_mode, max_iterations, is_local_owner.",
            ),
        ),
        migrations.AddField(
            model_name="executionrun",
            name="task",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="execution_runs",
                to="tasks.task",
            ),
        ),
        migrations.AlterField(
            model_name="executionrun",
            name="reason",
            field=models.CharField(help_text="start, next_task, no_finish", max_length=20),
        ),
        migrations.AddField(
            model_name="projectrun",
            name="running_since",
            field=models.DateTimeField(help_text="Empty while its time stands still.", null=True),
        ),
        migrations.AddField(
            model_name="projectrun",
            name="options",
            field=models.JSONField(
                db_default=_EMPTY,
                default=dict,
                help_text="Of its executions; `task_ids`: without `continuous` only these.",
            ),
        ),
        migrations.AlterField(
            model_name="projectrun",
            name="used_seconds",
            field=models.FloatField(
                db_default=0, default=0, help_text="Time in which any of its executions was at work."
            ),
        ),
    ]
