import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0006_default_moderation_rules"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="messagefeedback",
            options={
                "permissions": [("export_messagefeedback", "Can export feedback as an evaluation set")],
                "verbose_name": "feedback on answers",
                "verbose_name_plural": "feedback on answers",
            },
        ),
        migrations.AddField(
            model_name="messagefeedback",
            name="assignee",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="messagefeedback",
            name="labels",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=40), blank=True, db_default=[], default=list, size=None
            ),
        ),
        migrations.AddField(
            model_name="messagefeedback",
            name="note",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="Of the reviewers, for themselves."
            ),
        ),
        migrations.AddField(
            model_name="messagefeedback",
            name="reviewed_at",
            field=models.DateTimeField(help_text="Last changed by a reviewer.", null=True),
        ),
        migrations.AddIndex(
            model_name="messagefeedback",
            index=models.Index(fields=["-updated_at", "-id"], name="feedback_newest"),
        ),
        migrations.AddIndex(
            model_name="messagefeedback",
            index=models.Index(
                condition=models.Q(("review_status", "done"), _negated=True),
                fields=["-updated_at", "-id"],
                name="feedback_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="messagefeedback",
            index=models.Index(fields=["rating", "-updated_at", "-id"], name="feedback_by_rating"),
        ),
        migrations.AddIndex(
            model_name="messagefeedback",
            index=models.Index(
                condition=models.Q(("assignee__isnull", False)),
                fields=["assignee", "-updated_at"],
                name="feedback_of_assignee",
            ),
        ),
    ]
