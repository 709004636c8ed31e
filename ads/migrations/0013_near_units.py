from django.contrib.postgres.operations import CreateExtension
from django.db import migrations

# For inventories too large to be held in memory by every web process: each text of a unit, found by nearness. Written
# and read by statements of ours alone (vectors.py, near_units.py), so there is no model of it, and no foreign key, which
# would keep tests from emptying the table it leads to.
TEXTS = """
CREATE TABLE ad_unit_text (
    unit_id uuid NOT NULL,
    position smallint NOT NULL,
    near halfvec(512) NOT NULL,
    PRIMARY KEY (unit_id, position)
);
CREATE INDEX ad_unit_text_near ON ad_unit_text USING hnsw (near halfvec_ip_ops);
CREATE INDEX ad_unit_categories ON ad_unit USING gin (categories);
ALTER TABLE ad_unit_vectors ADD COLUMN unit_changed_at timestamptz;
CREATE FUNCTION ad_forget_texts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ad_unit_text WHERE unit_id = OLD.unit_id;
    RETURN NULL;
END $$;
CREATE TRIGGER ad_unit_vectors_with_texts AFTER DELETE ON ad_unit_vectors
    FOR EACH ROW EXECUTE FUNCTION ad_forget_texts();
"""
NO_TEXTS = """
DROP TRIGGER ad_unit_vectors_with_texts ON ad_unit_vectors;
DROP FUNCTION ad_forget_texts();
ALTER TABLE ad_unit_vectors DROP COLUMN unit_changed_at;
DROP INDEX ad_unit_categories;
DROP TABLE ad_unit_text;
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0012_session_answers")]

    operations = [CreateExtension("vector"), migrations.RunSQL(TEXTS, NO_TEXTS)]
