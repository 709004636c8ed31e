from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("tasks", "0003_executions_of_several_tasks")]

    operations = [
        migrations.AddIndex(
            model_name="execution",
            index=models.Index(
                fields=["-id"],
                condition=Q(status__in=["failed", "cancelled", "timed_out"]),
                name="execution_ended_badly",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["status", "-updated_at", "-id"], name="task_on_the_board"),
        ),
    ]
