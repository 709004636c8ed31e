import django.contrib.postgres.indexes
import django.db.models.functions.text
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ads", "0017_first_policy_phrases"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="adkey",
            index=models.Index(fields=["prefix"], name="ad_key_prefix"),
        ),
        migrations.AddIndex(
            model_name="adunit",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower("title"), name="text_pattern_ops"
                ),
                name="ad_unit_title",
            ),
        ),
        migrations.AddIndex(
            model_name="adunit",
            index=models.Index(fields=["-changed_at"], name="ad_unit_time"),
        ),
        migrations.AddIndex(
            model_name="adunit",
            index=models.Index(fields=["review", "-changed_at"], name="ad_unit_review_time"),
        ),
        migrations.AddIndex(
            model_name="advertiser",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower("name"), name="text_pattern_ops"
                ),
                name="ad_advertiser_name",
            ),
        ),
        migrations.AddIndex(
            model_name="advertiser",
            index=models.Index(fields=["-created_at"], name="ad_advertiser_time"),
        ),
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower("name"), name="text_pattern_ops"
                ),
                name="ad_agent_name",
            ),
        ),
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(fields=["-created_at"], name="ad_agent_time"),
        ),
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(fields=["status", "-created_at"], name="ad_agent_status"),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(
                django.contrib.postgres.indexes.OpClass(
                    django.db.models.functions.text.Lower("name"), name="text_pattern_ops"
                ),
                name="ad_campaign_name",
            ),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(fields=["-created_at"], name="ad_campaign_time"),
        ),
        migrations.AddIndex(
            model_name="campaign",
            index=models.Index(fields=["status", "-created_at"], name="ad_campaign_status"),
        ),
        migrations.AddIndex(
            model_name="ledgertransaction",
            index=models.Index(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "top_up",
                            "session",
                            "session_paid",
                            "escrow",
                            "service",
                            "escrow_return",
                            "bonus_reserve",
                            "bonus_paid",
                            "bonus_return",
                            "reversal",
                            "payout",
                        ],
                    )
                ),
                fields=["kind", "-id"],
                name="ad_ledger_rare",
            ),
        ),
    ]
