from django.db import migrations

# Row triggers, so that even a mistaken UPDATE in a console is refused. TRUNCATE is a matter of privileges.
REFUSE_CHANGES = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit entries are only ever added' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
"""
ALLOW_CHANGES = """
DROP TRIGGER audit_entry_append_only ON audit_entry;
DROP FUNCTION refuse_audit_change();
"""


class Migration(migrations.Migration):
    dependencies = [("penguin_site", "0002_keys_links_audit_limits")]

    operations = [migrations.RunSQL(REFUSE_CHANGES, ALLOW_CHANGES)]
