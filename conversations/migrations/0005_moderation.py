import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("conversations", "0004_sponsored_suggestions"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HiddenMessage",
            fields=[
                (
                    "message",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="hidden_original",
                        serialize=False,
                        to="conversations.message",
                    ),
                ),
                ("content", models.TextField(blank=True)),
                ("parts", models.JSONField(default=list)),
                (
                    "title",
                    models.CharField(
                        help_text="Of the conversation, where it was made of this message.",
                        max_length=200,
                        null=True,
                    ),
                ),
                ("reason", models.CharField(blank=True, db_default="", max_length=500)),
                ("hidden_at", models.DateTimeField()),
            ],
            options={
                "db_table": "hidden_message",
            },
        ),
        migrations.CreateModel(
            name="ModerationFlag",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("score", models.FloatField()),
                ("excerpt", models.TextField(help_text="The hit with what stands around it.")),
                (
                    "hit_start",
                    models.IntegerField(help_text="Where the hit stands in the excerpt, in code points."),
                ),
                ("hit_end", models.IntegerField()),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                (
                    "state",
                    models.CharField(
                        choices=[("open", "open"), ("claimed", "claimed"), ("decided", "decided")],
                        db_default="open",
                        default="open",
                        max_length=8,
                    ),
                ),
                ("claimed_at", models.DateTimeField(null=True)),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("hidden", "hidden"),
                            ("restored", "restored"),
                            ("dismissed", "dismissed"),
                            ("warned", "warned"),
                            ("blocked", "blocked"),
                        ],
                        db_default="",
                        max_length=9,
                    ),
                ),
                ("decided_at", models.DateTimeField(null=True)),
                ("reason", models.CharField(blank=True, db_default="", max_length=500)),
            ],
            options={
                "db_table": "moderation_flag",
                "verbose_name_plural": "moderation queue",
                "permissions": [
                    ("decide_moderationflag", "Can decide flags: hide, restore, dismiss, warn"),
                    ("block_author", "Can block people from writing, and lift blocks"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ModerationRule",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("profanity", "profanity (word list)"),
                            ("personal", "personal data"),
                            ("secrets", "secrets (keys, passwords)"),
                            ("gibberish", "gibberish"),
                            ("repetition", "repetition and many links"),
                            ("phrases", "phrases"),
                            ("examples", "like examples (by meaning)"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "threshold",
                    models.FloatField(
                        default=0.5,
                        help_text="From 0 to 1: a score of so much or more makes a flag. Lower finds more, and more that is harmless.",
                    ),
                ),
                (
                    "applies_to",
                    models.CharField(
                        choices=[("user", "what people write"), ("assistant", "answers"), ("both", "both")],
                        default="both",
                        max_length=9,
                    ),
                ),
                (
                    "phrases",
                    models.TextField(
                        blank=True,
                        help_text="One a line: words that make a flag when they stand in a message, whatever their case. An asterisk at the end of a word stands for any ending.",
                    ),
                ),
                (
                    "examples",
                    models.TextField(
                        blank=True,
                        help_text="One a line: sentences of the kind that is to be found, in any language. A message is compared by its meaning with each of them.",
                    ),
                ),
                (
                    "counterexamples",
                    models.TextField(
                        blank=True,
                        help_text="One a line: harmless sentences that are easily mistaken. What is nearer to one of them is no hit.",
                    ),
                ),
                (
                    "only",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=40),
                        blank=True,
                        default=list,
                        help_text="Of personal data, secrets and profanity: only these kinds, with commas (email, strong); empty: all.",
                        size=None,
                    ),
                ),
                (
                    "notice",
                    models.CharField(
                        blank=True,
                        help_text="The reason that is given to the author where the moderator writes none.",
                        max_length=300,
                    ),
                ),
                ("is_on", models.BooleanField(default=True, verbose_name="on")),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "updated_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
            ],
            options={
                "db_table": "moderation_rule",
            },
        ),
        migrations.CreateModel(
            name="UserBlock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("blocked_at", models.DateTimeField()),
                ("lifted_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "user_block",
            },
        ),
        migrations.CreateModel(
            name="UserWarning",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("message_id", models.UUIDField(help_text="It may have been deleted meanwhile.")),
                ("reason", models.CharField(max_length=500)),
                ("warned_at", models.DateTimeField()),
                ("withdrawn_at", models.DateTimeField(null=True)),
            ],
            options={
                "db_table": "user_warning",
            },
        ),
        migrations.RemoveIndex(
            model_name="run",
            name="run_claimable",
        ),
        # What was said before there was moderation counts as looked at.
        migrations.AddField(
            model_name="message",
            name="checked_at",
            field=models.DateTimeField(
                help_text="When moderation has looked at it; an answer is looked at when its run has ended.",
                null=True,
                db_default=django.db.models.functions.datetime.Now(),
            ),
        ),
        migrations.AlterField(
            model_name="message",
            name="checked_at",
            field=models.DateTimeField(
                help_text="When moderation has looked at it; an answer is looked at when its run has ended.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="hold",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Why it may not be claimed yet: check (moderation has not seen its message), review (staff has not).",
                max_length=6,
            ),
        ),
        migrations.AddIndex(
            model_name="message",
            index=models.Index(
                condition=models.Q(("checked_at__isnull", True), models.Q(("role", "tool"), _negated=True)),
                fields=["id"],
                name="message_unchecked",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("hold", ""), ("status", "queued")),
                fields=["-priority", "queued_at"],
                name="run_claimable",
            ),
        ),
        migrations.AddIndex(
            model_name="run",
            index=models.Index(
                condition=models.Q(("hold", ""), _negated=True), fields=["input_message_id"], name="run_held"
            ),
        ),
        migrations.AddField(
            model_name="hiddenmessage",
            name="conversation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="conversations.conversation"
            ),
        ),
        migrations.AddField(
            model_name="hiddenmessage",
            name="hidden_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="moderationflag",
            name="author",
            field=models.ForeignKey(
                db_index=False,
                help_text="Whose conversation it is.",
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="moderationflag",
            name="claimed_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="moderationflag",
            name="conversation",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE, related_name="+", to="conversations.conversation"
            ),
        ),
        migrations.AddField(
            model_name="moderationflag",
            name="decided_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="moderationflag",
            name="message",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="flags",
                to="conversations.message",
            ),
        ),
        migrations.CreateModel(
            name="ModerationDecision",
            fields=[],
            options={
                "verbose_name": "moderation decision",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("conversations.moderationflag",),
        ),
        migrations.AddConstraint(
            model_name="moderationrule",
            constraint=models.CheckConstraint(
                condition=models.Q(("threshold__gte", 0), ("threshold__lte", 1)),
                name="moderation_rule_threshold",
            ),
        ),
        migrations.AddField(
            model_name="moderationflag",
            name="rule",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="flags",
                to="conversations.moderationrule",
            ),
        ),
        migrations.AddField(
            model_name="userblock",
            name="blocked_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="userblock",
            name="lifted_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="userblock",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="userwarning",
            name="user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="userwarning",
            name="warned_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="userwarning",
            name="withdrawn_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="moderationflag",
            index=models.Index(
                condition=models.Q(("state", "decided"), _negated=True),
                fields=["created_at", "id"],
                name="moderation_flag_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="moderationflag",
            index=models.Index(
                condition=models.Q(("state", "decided"), _negated=True),
                fields=["rule", "created_at", "id"],
                name="moderation_flag_of_rule",
            ),
        ),
        migrations.AddIndex(
            model_name="moderationflag",
            index=models.Index(fields=["author", "created_at", "id"], name="moderation_flag_of_author"),
        ),
        migrations.AddIndex(
            model_name="moderationflag",
            index=models.Index(
                condition=models.Q(("state", "decided")),
                fields=["-decided_at", "-id"],
                name="moderation_flag_decided",
            ),
        ),
        migrations.AddIndex(
            model_name="moderationflag",
            index=models.Index(
                condition=models.Q(("state", "decided")),
                fields=["outcome", "-decided_at", "-id"],
                name="moderation_flag_outcome",
            ),
        ),
        migrations.AddIndex(
            model_name="moderationflag",
            index=models.Index(
                condition=models.Q(("state", "decided")),
                fields=["decided_by", "-decided_at", "-id"],
                name="moderation_flag_decided_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="moderationflag",
            constraint=models.UniqueConstraint(fields=("message", "rule"), name="moderation_flag_once"),
        ),
        migrations.AddConstraint(
            model_name="moderationflag",
            constraint=models.CheckConstraint(
                condition=models.Q(("score__gte", 0), ("score__lte", 1)), name="moderation_flag_score"
            ),
        ),
        migrations.AddConstraint(
            model_name="moderationflag",
            constraint=models.CheckConstraint(
                condition=models.Q(("hit_start__gte", 0), ("hit_end__gte", models.F("hit_start"))),
                name="moderation_flag_hit",
            ),
        ),
        migrations.AddConstraint(
            model_name="moderationflag",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("claimed_at__isnull", True),
                        ("decided_at__isnull", True),
                        ("outcome", ""),
                        ("state", "open"),
                    ),
                    models.Q(
                        ("claimed_at__isnull", False),
                        ("decided_at__isnull", True),
                        ("outcome", ""),
                        ("state", "claimed"),
                    ),
                    models.Q(
                        ("decided_at__isnull", False),
                        ("state", "decided"),
                        models.Q(("outcome", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="moderation_flag_state",
            ),
        ),
        migrations.AddIndex(
            model_name="userblock",
            index=models.Index(fields=["user", "-blocked_at"], name="user_block_of_user"),
        ),
        migrations.AddIndex(
            model_name="userblock",
            index=models.Index(fields=["-blocked_at", "-id"], name="user_block_newest"),
        ),
        migrations.AddConstraint(
            model_name="userblock",
            constraint=models.UniqueConstraint(
                condition=models.Q(("lifted_at__isnull", True)),
                fields=("user",),
                name="user_block_one_at_a_time",
            ),
        ),
        migrations.AddIndex(
            model_name="userwarning",
            index=models.Index(fields=["user", "-warned_at"], name="user_warning_of_user"),
        ),
        migrations.AddIndex(
            model_name="userwarning",
            index=models.Index(fields=["-warned_at", "-id"], name="user_warning_newest"),
        ),
        migrations.AddConstraint(
            model_name="userwarning",
            constraint=models.UniqueConstraint(
                condition=models.Q(("withdrawn_at__isnull", True)),
                fields=("message_id",),
                name="user_warning_once",
            ),
        ),
    ]
