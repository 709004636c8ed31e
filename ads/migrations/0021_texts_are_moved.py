from django.db import migrations

MOVE = """
INSERT INTO ad_text_of_unit (unit_id, position, digest)
SELECT unit_id, position, ad_text_digest(near) FROM ad_unit_text;
INSERT INTO ad_text (digest, near)
SELECT DISTINCT ON (ad_text_digest(near)) ad_text_digest(near), near FROM ad_unit_text;
"""
MOVE_BACK = """
INSERT INTO ad_unit_text (unit_id, position, near)
SELECT unit_id, position, near FROM ad_text_of_unit JOIN ad_text USING (digest);
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0020_texts_stand_once")]

    operations = [migrations.RunSQL(MOVE, MOVE_BACK)]
