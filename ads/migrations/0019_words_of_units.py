from django.db import migrations

# The words of each text of a unit, for inventories too large to be held in memory and for questions that cannot be
# embedded. As the texts of migration 0013: statements of ours alone, no model, no foreign key.
WORDS = """
CREATE TABLE ad_unit_words (
    unit_id uuid NOT NULL,
    position smallint NOT NULL,
    words tsvector NOT NULL,
    unit_changed_at timestamptz NOT NULL,
    PRIMARY KEY (unit_id, position)
);
CREATE INDEX ad_unit_words_found ON ad_unit_words USING gin (words);
CREATE FUNCTION ad_forget_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ad_unit_words WHERE unit_id = OLD.id;
    RETURN NULL;
END $$;
CREATE TRIGGER ad_unit_with_words AFTER DELETE ON ad_unit
    FOR EACH ROW EXECUTE FUNCTION ad_forget_words();
"""
NO_WORDS = """
DROP TRIGGER ad_unit_with_words ON ad_unit;
DROP FUNCTION ad_forget_words();
DROP TABLE ad_unit_words;
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0018_lists_of_staff_have_indexes")]

    operations = [migrations.RunSQL(WORDS, NO_WORDS)]
