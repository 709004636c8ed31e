from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("penguin_site", "0005_agent_links")]

    operations = [
        migrations.AlterModelOptions(
            name="user",
            options={
                "permissions": [("block_user", "Can block people and let them in again")],
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["action", "-id"], name="audit_of_action"),
        ),
    ]
