from django.db import migrations

# A graph that does not fit into this memory is made many times slower. Only what it needs is taken.
INDEX = """
SET LOCAL maintenance_work_mem = '512MB';
CREATE INDEX ad_text_near ON ad_text USING hnsw (near halfvec_ip_ops);
CREATE INDEX ad_text_of_unit_digest ON ad_text_of_unit (digest);
DROP TABLE ad_unit_text;
CREATE OR REPLACE FUNCTION ad_forget_texts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ad_text_of_unit WHERE unit_id = OLD.unit_id;
    RETURN NULL;
END $$;
"""
NO_INDEX = """
CREATE OR REPLACE FUNCTION ad_forget_texts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ad_unit_text WHERE unit_id = OLD.unit_id;
    RETURN NULL;
END $$;
CREATE TABLE ad_unit_text (
    unit_id uuid NOT NULL,
    position smallint NOT NULL,
    near halfvec(512) NOT NULL,
    PRIMARY KEY (unit_id, position)
);
DROP INDEX ad_text_of_unit_digest;
DROP INDEX ad_text_near;
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0021_texts_are_moved")]

    operations = [migrations.RunSQL(INDEX, NO_INDEX)]
