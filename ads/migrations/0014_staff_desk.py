import uuid

import django.db.models.deletion
import django.db.models.functions.text
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ads", "0013_near_units"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BlockedCategory",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("category_id", models.CharField(max_length=10, unique=True)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("blocked_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "verbose_name_plural": "blocked categories",
                "db_table": "ad_blocked_category",
            },
        ),
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("checked_at", models.DateTimeField()),
                ("took_ms", models.PositiveIntegerField()),
                ("is_ok", models.BooleanField()),
                (
                    "findings",
                    models.JSONField(help_text="A code, title, is_ok and examples for each invariant."),
                ),
            ],
            options={
                "db_table": "ad_ledger_check",
            },
        ),
        migrations.CreateModel(
            name="PayoutBatch",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("minimum_micros", models.BigIntegerField(help_text="Who had less to get was left out.")),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "verbose_name_plural": "payout batches",
                "db_table": "ad_payout_batch",
                "permissions": [
                    ("export_payoutbatch", "Can export payouts for the bank"),
                    ("settle_payoutbatch", "Can import what the bank says of payouts"),
                ],
            },
        ),
        migrations.CreateModel(
            name="PayoutResult",
            fields=[
                (
                    "payout",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="result",
                        serialize=False,
                        to="ads.payout",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(choices=[("paid", "Paid"), ("returned", "Returned")], max_length=8),
                ),
                ("bank_reference", models.CharField(blank=True, max_length=100)),
                ("note", models.CharField(blank=True, max_length=200)),
                ("reported_at", models.DateTimeField()),
            ],
            options={
                "db_table": "ad_payout_result",
            },
        ),
        migrations.CreateModel(
            name="PolicyPhrase",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("phrase", models.CharField(max_length=100)),
                (
                    "is_forbidden",
                    models.BooleanField(
                        default=False,
                        help_text="An ad with it cannot be approved. Otherwise the reviewer is only warned.",
                    ),
                ),
                (
                    "note",
                    models.CharField(blank=True, help_text="Why: shown to the reviewer.", max_length=200),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
            ],
            options={
                "db_table": "ad_policy_phrase",
            },
        ),
        migrations.CreateModel(
            name="TrafficReversal",
            fields=[
                (
                    "id",
                    models.UUIDField(default=uuid.uuid4, editable=False, primary_key=True, serialize=False),
                ),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(help_text="The first moment that does not belong to it.")),
                ("note", models.CharField(max_length=200)),
                (
                    "expected_count",
                    models.PositiveIntegerField(
                        help_text="Events that were to be marked when it was asked for."
                    ),
                ),
                ("marked_count", models.PositiveIntegerField(default=0)),
                ("asked_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("finished_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "ad_traffic_reversal",
            },
        ),
        migrations.CreateModel(
            name="UnitReview",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("approved", "Approved"),
                            ("rejected", "Rejected"),
                            ("withdrawn", "withdrawn: waits again"),
                        ],
                        max_length=9,
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("content", models.JSONField(help_text="The words that were judged.")),
                ("content_before", models.JSONField(help_text="As it had been approved before.", null=True)),
                ("reviewed_at", models.DateTimeField()),
            ],
            options={
                "db_table": "ad_unit_review",
            },
        ),
        migrations.AlterModelOptions(
            name="adunit",
            options={"permissions": [("review_adunit", "Can approve and reject ads")]},
        ),
        migrations.AlterModelOptions(
            name="agent",
            options={"permissions": [("approve_agent", "Can give agents live access, and suspend them")]},
        ),
        migrations.AlterModelOptions(
            name="feedback",
            options={
                "permissions": [("void_feedback", "Can declare predictions void")],
                "verbose_name_plural": "feedback",
            },
        ),
        migrations.AlterModelOptions(
            name="wallet",
            options={"permissions": [("top_up_wallet", "Can book payments into wallets")]},
        ),
        migrations.AddField(
            model_name="feedback",
            name="void_reason",
            field=models.CharField(blank=True, max_length=300),
        ),
        migrations.AddField(
            model_name="feedback",
            name="voided_at",
            field=models.DateTimeField(blank=True, help_text="It counts for nothing any more.", null=True),
        ),
        migrations.AlterField(
            model_name="feedback",
            name="agent",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="ads.agent"
            ),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["book", "resolves_at"], name="ad_feedback_resolves"),
        ),
        migrations.AddIndex(
            model_name="feedback",
            index=models.Index(fields=["agent", "-id"], name="ad_feedback_agent_time"),
        ),
        migrations.AddField(
            model_name="payoutbatch",
            name="made_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="payoutresult",
            constraint=models.CheckConstraint(
                condition=models.Q(("outcome__in", ["paid", "returned"])), name="ad_payout_outcome"
            ),
        ),
        migrations.AddConstraint(
            model_name="policyphrase",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("phrase"), name="ad_policy_phrase_once"
            ),
        ),
        migrations.AddField(
            model_name="trafficreversal",
            name="agent",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="ads.agent",
            ),
        ),
        migrations.AddField(
            model_name="trafficreversal",
            name="asked_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="trafficreversal",
            name="campaign",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="ads.campaign",
            ),
        ),
        migrations.AddField(
            model_name="unitreview",
            name="reviewer",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="unitreview",
            name="unit",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="reviews",
                to="ads.adunit",
            ),
        ),
        migrations.AddIndex(
            model_name="payoutbatch",
            index=models.Index(fields=["-created_at"], name="ad_payout_batch_time"),
        ),
        migrations.AddIndex(
            model_name="trafficreversal",
            index=models.Index(fields=["-asked_at"], name="ad_traffic_reversal_time"),
        ),
        migrations.AddIndex(
            model_name="trafficreversal",
            index=models.Index(
                condition=models.Q(("finished_at", None)),
                fields=["asked_at"],
                name="ad_traffic_reversal_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="trafficreversal",
            constraint=models.CheckConstraint(
                condition=models.Q(("agent__isnull", False), ("campaign__isnull", False), _connector="OR"),
                name="ad_traffic_reversal_of_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="trafficreversal",
            constraint=models.CheckConstraint(
                condition=models.Q(("until__gt", models.F("since"))), name="ad_traffic_reversal_range"
            ),
        ),
        migrations.AddIndex(
            model_name="unitreview",
            index=models.Index(fields=["unit", "-id"], name="ad_unit_review_unit"),
        ),
        migrations.AddIndex(
            model_name="unitreview",
            index=models.Index(fields=["reviewer", "-id"], name="ad_unit_review_reviewer"),
        ),
    ]
