from django.db import migrations

# What the database itself keeps true of money, whoever writes: also a mistaken statement in a console. Row triggers do
# not see TRUNCATE; that is a matter of privileges.
GUARDS = """
CREATE FUNCTION ad_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are only ever added', TG_TABLE_NAME USING ERRCODE = 'check_violation';
END $$;

CREATE TRIGGER ad_posting_append_only BEFORE UPDATE OR DELETE ON ad_posting
    FOR EACH ROW EXECUTE FUNCTION ad_refuse_change();
CREATE TRIGGER ad_ledger_transaction_append_only BEFORE UPDATE OR DELETE ON ad_ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION ad_refuse_change();
CREATE TRIGGER ad_payout_append_only BEFORE UPDATE OR DELETE ON ad_payout
    FOR EACH ROW EXECUTE FUNCTION ad_refuse_change();

-- An account changes by postings alone.
CREATE TRIGGER ad_account_kept BEFORE DELETE ON ad_account
    FOR EACH ROW EXECUTE FUNCTION ad_refuse_change();
CREATE TRIGGER ad_account_moved_by_postings BEFORE UPDATE ON ad_account
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ad_refuse_change();

CREATE FUNCTION ad_move_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- The locks are taken in the order of ids, as everywhere: two transactions with the same accounts never cross.
    PERFORM 1 FROM ad_account
    WHERE id IN (SELECT account_id FROM added) AND balance_micros IS NOT NULL
    ORDER BY id FOR UPDATE;
    UPDATE ad_account SET balance_micros = balance_micros + moved.amount
    FROM (SELECT account_id, sum(amount_micros)::bigint AS amount FROM added GROUP BY account_id) AS moved
    WHERE ad_account.id = moved.account_id AND balance_micros IS NOT NULL;
    RETURN NULL;
END $$;
CREATE TRIGGER ad_posting_moves_balances AFTER INSERT ON ad_posting
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ad_move_balances();

-- At commit: as many postings as the transaction said, of accounts of its book, that sum to zero. The number keeps
-- anybody from adding to a transaction of the past.
CREATE FUNCTION ad_check_transaction() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    checked uuid;
    its ad_ledger_transaction%ROWTYPE;
    total numeric;
    found_postings integer;
    foreign_accounts integer;
BEGIN
    IF TG_TABLE_NAME = 'ad_posting' THEN checked := NEW.transaction_id; ELSE checked := NEW.id; END IF;
    SELECT * INTO its FROM ad_ledger_transaction WHERE id = checked;
    SELECT coalesce(sum(p.amount_micros), 0), count(*), count(*) FILTER (WHERE a.book IS DISTINCT FROM its.book)
    INTO total, found_postings, foreign_accounts
    FROM ad_posting p LEFT JOIN ad_account a ON a.id = p.account_id
    WHERE p.transaction_id = checked;
    IF total <> 0 OR found_postings <> its.postings_count OR foreign_accounts > 0 THEN
        RAISE EXCEPTION 'ledger transaction % does not balance: sum %, % of % postings, % of other books',
            checked, total, found_postings, its.postings_count, foreign_accounts USING ERRCODE = 'check_violation';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER ad_posting_balances AFTER INSERT ON ad_posting
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ad_check_transaction();
CREATE CONSTRAINT TRIGGER ad_ledger_transaction_balances AFTER INSERT ON ad_ledger_transaction
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ad_check_transaction();

-- A hold ends once, and nothing else of it ever changes.
CREATE FUNCTION ad_check_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'open' OR NEW.amount_micros <> OLD.amount_micros OR NEW.campaign_id <> OLD.campaign_id
        OR NEW.book <> OLD.book OR NEW.day <> OLD.day THEN
        RAISE EXCEPTION 'a hold is captured or released once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER ad_hold_ends_once BEFORE UPDATE ON ad_hold FOR EACH ROW EXECUTE FUNCTION ad_check_hold();
"""
NO_GUARDS = """
DROP TRIGGER ad_hold_ends_once ON ad_hold;
DROP TRIGGER ad_ledger_transaction_balances ON ad_ledger_transaction;
DROP TRIGGER ad_posting_balances ON ad_posting;
DROP TRIGGER ad_posting_moves_balances ON ad_posting;
DROP TRIGGER ad_account_moved_by_postings ON ad_account;
DROP TRIGGER ad_account_kept ON ad_account;
DROP TRIGGER ad_payout_append_only ON ad_payout;
DROP TRIGGER ad_ledger_transaction_append_only ON ad_ledger_transaction;
DROP TRIGGER ad_posting_append_only ON ad_posting;
DROP FUNCTION ad_check_hold();
DROP FUNCTION ad_check_transaction();
DROP FUNCTION ad_move_balances();
DROP FUNCTION ad_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("ads", "0001_initial")]

    operations = [migrations.RunSQL(GUARDS, NO_GUARDS)]
