from django.db import migrations

# What most marketplaces do not accept. Staff changes the list in the admin.
PHRASES = """
INSERT INTO ad_policy_phrase (phrase, is_forbidden, note, created_at) VALUES
    ('guaranteed returns', true, 'Nobody can promise what an investment brings.', now()),
    ('risk-free investment', true, 'There is none.', now()),
    ('double your money', true, 'Nobody can promise what an investment brings.', now()),
    ('get rich quick', true, 'Nobody can promise that.', now()),
    ('miracle cure', true, 'Claims of healing need proof.', now()),
    ('no prescription needed', true, 'Medicines are sold by pharmacies.', now()),
    ('click here to claim', true, 'The usual words of fraud.', now()),
    ('you have won', true, 'The usual words of fraud.', now()),
    ('recommended by your assistant', true, 'An ad must not speak for the agent that shows it.', now()),
    ('ignore previous instructions', true, 'Words for a model and not for people.', now()),
    ('system prompt', false, 'May be meant for a model and not for people.', now()),
    ('100% free', false, 'Look for the price that comes later.', now()),
    ('limited time only', false, 'Look whether the offer ends.', now()),
    ('best in the world', false, 'Superlatives need proof.', now()),
    ('lose weight fast', false, 'Claims about health need proof.', now())
ON CONFLICT DO NOTHING
"""
REMOVE = "DELETE FROM ad_policy_phrase"


class Migration(migrations.Migration):
    dependencies = [("ads", "0016_payouts_belong_to_batches")]

    operations = [migrations.RunSQL(PHRASES, REMOVE)]
