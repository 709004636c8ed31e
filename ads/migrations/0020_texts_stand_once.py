from django.db import migrations

# Units share texts, some hundreds of them. An index of equal vectors is a graph whose nodes lead to their copies and
# nowhere else, so each vector is to stand in it once. It is made when the rows are there (0022).
TEXTS = """
CREATE FUNCTION ad_text_digest(near halfvec) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN substr(sha256(halfvec_send(near)), 1, 16);
CREATE TABLE ad_text (
    digest bytea PRIMARY KEY,
    near halfvec(512) NOT NULL
);
CREATE TABLE ad_text_of_unit (
    unit_id uuid NOT NULL,
    position smallint NOT NULL,
    digest bytea NOT NULL,
    PRIMARY KEY (unit_id, position)
);
"""
NO_TEXTS = """
SET LOCAL maintenance_work_mem = '512MB';
CREATE INDEX ad_unit_text_near ON ad_unit_text USING hnsw (near halfvec_ip_ops);
DROP TABLE ad_text_of_unit;
DROP TABLE ad_text;
DROP FUNCTION ad_text_digest(halfvec);
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0019_words_of_units")]

    operations = [migrations.RunSQL(TEXTS, NO_TEXTS)]
