from django.db import migrations

# Everything that decides what can be shown raises the inventory's version in its own transaction. Whoever has read
# version n and sees n again has missed nothing. What changes with every click (budgets, clocks) is not part of it.
TRIGGERS = """
INSERT INTO ad_inventory (id, version) VALUES (1, 1);
CREATE FUNCTION ad_inventory_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- A table that was emptied (tests do that) has no row to raise.
    INSERT INTO ad_inventory (id, version) VALUES (1, 2)
    ON CONFLICT (id) DO UPDATE SET version = ad_inventory.version + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER ad_advertiser_in_inventory AFTER INSERT OR UPDATE OR DELETE ON ad_advertiser
    FOR EACH STATEMENT EXECUTE FUNCTION ad_inventory_changed();
CREATE TRIGGER ad_campaign_in_inventory AFTER INSERT OR UPDATE OR DELETE ON ad_campaign
    FOR EACH STATEMENT EXECUTE FUNCTION ad_inventory_changed();
CREATE TRIGGER ad_unit_in_inventory AFTER INSERT OR UPDATE OR DELETE ON ad_unit
    FOR EACH STATEMENT EXECUTE FUNCTION ad_inventory_changed();
"""
NO_TRIGGERS = """
DROP TRIGGER ad_unit_in_inventory ON ad_unit;
DROP TRIGGER ad_campaign_in_inventory ON ad_campaign;
DROP TRIGGER ad_advertiser_in_inventory ON ad_advertiser;
DROP FUNCTION ad_inventory_changed();
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0003_units_keys_switches")]

    operations = [migrations.RunSQL(TRIGGERS, NO_TRIGGERS)]
