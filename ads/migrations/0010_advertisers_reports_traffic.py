import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

# Events and decisions are partitioned: their indexes are made here, as in 0006. The month of a decision is in its id
# (UUID version 7: milliseconds first), so a row that names the decision leads to the one partition it lies in.
MORE = """
CREATE INDEX ad_decision_candidates ON ad_decision USING gin (campaign_ids);
CREATE INDEX ad_event_visitor ON ad_event (visitor_hash, occurred_at) WHERE visitor_hash IS NOT NULL;
CREATE FUNCTION ad_month_of(identifier uuid) RETURNS date LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT date_trunc('month', to_timestamp(
        ('x' || left(replace(identifier::text, '-', ''), 12))::bit(48)::bigint / 1000.0) AT TIME ZONE 'UTC')::date
$$;
"""
NO_MORE = """
DROP FUNCTION ad_month_of(uuid);
DROP INDEX ad_event_visitor;
DROP INDEX ad_decision_candidates;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ads", "0009_longer_organisations"),
    ]

    operations = [
        migrations.CreateModel(
            name="CreationKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.CharField(max_length=200)),
                ("body_hash", models.BinaryField()),
                ("made_id", models.UUIDField(help_text="The campaign or unit.", null=True)),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "db_table": "ad_creation_key",
            },
        ),
        migrations.CreateModel(
            name="InvalidMark",
            fields=[
                ("event_id", models.UUIDField(primary_key=True, serialize=False)),
                ("month", models.DateField(help_text="Of the event's decision.")),
                (
                    "rule",
                    models.CharField(
                        choices=[("crowded", "too many clicks of one visitor"), ("staff", "marked by staff")],
                        max_length=12,
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=200)),
                ("marked_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "reversal_id",
                    models.UUIDField(help_text="The transaction that gave the money back.", null=True),
                ),
            ],
            options={
                "db_table": "ad_invalid_mark",
            },
        ),
        migrations.CreateModel(
            name="RolledDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("rolled_at", models.DateTimeField()),
            ],
            options={
                "db_table": "ad_rolled_day",
            },
        ),
        migrations.CreateModel(
            name="Rollup",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("day", models.DateField()),
                ("agent_id", models.UUIDField()),
                ("advertiser_id", models.UUIDField()),
                ("campaign_id", models.UUIDField()),
                ("placement", models.CharField(blank=True, max_length=100)),
                ("shown", models.PositiveIntegerField()),
                ("impressions", models.PositiveIntegerField()),
                ("clicks", models.PositiveIntegerField()),
                ("conversions", models.PositiveIntegerField()),
                ("invalid_impressions", models.PositiveIntegerField()),
                ("invalid_clicks", models.PositiveIntegerField()),
                ("invalid_conversions", models.PositiveIntegerField()),
                ("charged_micros", models.BigIntegerField(help_text="What the advertiser was charged.")),
                ("invalid_charged_micros", models.BigIntegerField()),
                ("earned_micros", models.BigIntegerField(help_text="What the agent got of it.")),
                ("invalid_earned_micros", models.BigIntegerField()),
            ],
            options={
                "db_table": "ad_rollup",
            },
        ),
        migrations.AddField(
            model_name="adevent",
            name="visitor_hash",
            field=models.BinaryField(
                help_text="Of a click: who came, under a salt that lasts a day; no address is kept.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="campaign_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.UUIDField(), help_text="Whose candidates those are.", null=True, size=None
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="candidates",
            field=models.BinaryField(
                help_text="The best that took part, as ads/core/recorded_auctions.py writes them.", null=True
            ),
        ),
        migrations.AddField(
            model_name="decision",
            name="max_results",
            field=models.PositiveSmallIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="creationkey",
            name="advertiser",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="ads.advertiser"
            ),
        ),
        migrations.AddIndex(
            model_name="invalidmark",
            index=models.Index(fields=["marked_at"], name="ad_invalid_mark_time"),
        ),
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(fields=["agent_id", "day"], name="ad_rollup_agent"),
        ),
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(fields=["advertiser_id", "day"], name="ad_rollup_advertiser"),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.UniqueConstraint(
                fields=("day", "agent_id", "campaign_id", "placement"), name="ad_rollup_once"
            ),
        ),
        migrations.AddIndex(
            model_name="creationkey",
            index=models.Index(fields=["created_at"], name="ad_creation_key_age"),
        ),
        migrations.AddConstraint(
            model_name="creationkey",
            constraint=models.UniqueConstraint(fields=("advertiser", "key"), name="ad_creation_key_once"),
        ),
        migrations.RunSQL(MORE, NO_MORE),
    ]
