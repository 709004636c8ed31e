from django.db import migrations

# Payouts named a batch of which there was no row. Their minimum was not kept.
BATCHES = """
INSERT INTO ad_payout_batch (id, minimum_micros, made_by_id, created_at)
SELECT batch_id, 0, NULL, min(created_at) FROM ad_payout GROUP BY batch_id
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0014_staff_desk")]

    operations = [migrations.RunSQL(BATCHES, migrations.RunSQL.noop)]
