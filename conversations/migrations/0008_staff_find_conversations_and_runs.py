from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("conversations", "0007_feedback_review")]

    operations = [
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                fields=["session_id"], name="conversation_by_name", opclasses=["varchar_pattern_ops"]
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(fields=["-id"], condition=Q(archived=True), name="conversation_archived"),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                fields=["-id"],
                condition=Q(status__in=["failed", "cancelled", "timed_out"]),
                name="run_ended_badly",
            ),
        ),
    ]
