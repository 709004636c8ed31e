from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("penguin_site", "0003_audit_is_append_only")]

    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["actor_id", "-id"], name="audit_of_actor"),
        ),
    ]
