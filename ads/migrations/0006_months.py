from django.db import migrations

# Decisions, their units and their events are partitioned by the decision's month. `ad_make_month` makes a month's
# partitions (a chore calls it ahead of time); what comes before it was made, or for a test clock far ahead, lies in the
# default partition and is moved then.
PARTITIONED = """
ALTER TABLE ad_decision RENAME TO ad_decision_plain;
CREATE TABLE ad_decision (LIKE ad_decision_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (month, id))
    PARTITION BY RANGE (month);
DROP TABLE ad_decision_plain;
CREATE TABLE ad_decision_default PARTITION OF ad_decision DEFAULT;
CREATE INDEX ad_decision_agent ON ad_decision (agent_id, decided_at);

ALTER TABLE ad_decision_unit RENAME TO ad_decision_unit_plain;
CREATE TABLE ad_decision_unit (
    LIKE ad_decision_unit_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (month, decision_id, unit_id))
    PARTITION BY RANGE (month);
DROP TABLE ad_decision_unit_plain;
CREATE TABLE ad_decision_unit_default PARTITION OF ad_decision_unit DEFAULT;
CREATE INDEX ad_decision_unit_campaign ON ad_decision_unit (campaign_id, decided_at);
CREATE INDEX ad_decision_unit_user ON ad_decision_unit (user_hash, decided_at) WHERE user_hash IS NOT NULL;

ALTER TABLE ad_event RENAME TO ad_event_plain;
CREATE TABLE ad_event (LIKE ad_event_plain INCLUDING DEFAULTS INCLUDING CONSTRAINTS, PRIMARY KEY (month, id))
    PARTITION BY RANGE (month);
DROP TABLE ad_event_plain;
CREATE TABLE ad_event_default PARTITION OF ad_event DEFAULT;
CREATE UNIQUE INDEX ad_event_billed_once ON ad_event (month, decision_id, unit_id, kind) WHERE is_billed;
CREATE INDEX ad_event_decision ON ad_event (decision_id, unit_id, kind);
CREATE INDEX ad_event_campaign ON ad_event (campaign_id, occurred_at);
CREATE INDEX ad_event_agent ON ad_event (agent_id, occurred_at);

CREATE FUNCTION ad_make_month(first date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    part text;
BEGIN
    first := date_trunc('month', first)::date;
    PERFORM pg_advisory_xact_lock(hashtext('ad_make_month'));
    FOREACH parent IN ARRAY ARRAY['ad_decision', 'ad_decision_unit', 'ad_event'] LOOP
        part := parent || to_char(first, '_YYYY_MM');
        CONTINUE WHEN to_regclass(part) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
        EXECUTE format('WITH moved AS (DELETE FROM %I WHERE month = %L RETURNING *) INSERT INTO %I SELECT * FROM moved',
            parent || '_default', first, part);
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            parent, part, first, (first + interval '1 month')::date);
    END LOOP;
END $$;
SELECT ad_make_month((now() + make_interval(months => n))::date) FROM generate_series(0, 2) AS n;
"""
DROP = "DROP FUNCTION ad_make_month(date);"


class Migration(migrations.Migration):
    dependencies = [("ads", "0005_decisions_events")]

    operations = [migrations.RunSQL(PARTITIONED, DROP)]
