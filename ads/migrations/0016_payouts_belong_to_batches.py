import django.db.models.deletion
from django.db import migrations, models

# The column is the same, and so is the unique constraint on it: only the promise that the batch exists is new.
REFERENCE = """
ALTER TABLE ad_payout ADD CONSTRAINT ad_payout_batch_id_fk FOREIGN KEY (batch_id) REFERENCES ad_payout_batch (id)
    DEFERRABLE INITIALLY DEFERRED;
CREATE TRIGGER ad_ledger_check_append_only BEFORE UPDATE OR DELETE ON ad_ledger_check
    FOR EACH ROW EXECUTE FUNCTION ad_refuse_change();
"""
NO_REFERENCE = """
DROP TRIGGER ad_ledger_check_append_only ON ad_ledger_check;
ALTER TABLE ad_payout DROP CONSTRAINT ad_payout_batch_id_fk;
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0015_payouts_that_were_made_have_batches")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(REFERENCE, NO_REFERENCE)],
            state_operations=[
                migrations.RemoveConstraint(model_name="payout", name="ad_payout_once"),
                migrations.RemoveField(model_name="payout", name="batch_id"),
                migrations.AddField(
                    model_name="payout",
                    name="batch",
                    field=models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="payouts",
                        to="ads.payoutbatch",
                    ),
                ),
                migrations.AddConstraint(
                    model_name="payout",
                    constraint=models.UniqueConstraint(fields=("batch", "agent"), name="ad_payout_once"),
                ),
            ],
        )
    ]
