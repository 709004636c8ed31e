from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("conversations", "0002_tools")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="pause_reason",
            field=models.CharField(
                blank=True,
                db_default="",
                help_text="Why it is paused, or will be at its next step: asked, budget_tokens, budget_cost.",
                max_length=20,
            ),
        )
    ]
