import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0003_run_pause_reason"),
        ("penguin_site", "0004_audit_by_actor"),
    ]

    operations = [
        migrations.CreateModel(
            name="SponsoredWish",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("is_on", models.BooleanField(db_default=False, default=False)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
            ],
            options={
                "db_table": "sponsored_wish",
            },
        ),
        migrations.AddField(
            model_name="conversation",
            name="last_sponsored",
            field=models.IntegerField(
                help_text="After which message of its user, counted from 1, an ad was shown last.", null=True
            ),
        ),
        migrations.AddField(
            model_name="conversation",
            name="sponsored",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Answers may carry ads, where the owner has allowed it, too.",
            ),
        ),
        migrations.CreateModel(
            name="SponsoredSuggestion",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        help_text="The answer.",
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="+",
                        serialize=False,
                        to="conversations.message",
                    ),
                ),
                ("number", models.IntegerField(help_text="Which message of its user it followed, from 1.")),
                (
                    "environment",
                    models.CharField(help_text="Of the marketplace: live or test.", max_length=4),
                ),
                ("units", models.JSONField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "shown_at",
                    models.DateTimeField(help_text="When a client said that it was seen.", null=True),
                ),
                ("dismissed_at", models.DateTimeField(null=True)),
                (
                    "conversation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="conversations.conversation",
                    ),
                ),
            ],
            options={
                "db_table": "sponsored_suggestion",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("conversation", "number"), name="sponsored_once_per_message"
                    )
                ],
            },
        ),
    ]
