from django.db import migrations

HARM_TO_OTHERS = """
I am going to kill you.
I know where you live and I will hurt you.
You will pay for this with your life.
I will beat you up when I see you.
I am going to burn your house down.
Tomorrow I will bring a gun to school and shoot everybody.
I am going to plant a bomb in the building.
I want to stab him to death.
We will come for your family.
You deserve to be raped and murdered.
I am going to find you and break your legs.
I will blow up the embassy.
"""

HARMLESS_VIOLENCE = """
How do I kill a process that hangs?
The parent process kills its children.
This joke is so good that I am dying.
Shoot me a message when you are done.
He was killed in the war in 1943.
The hero fights the dragon in this game.
The deadline is killing me.
Execute the command and abort the job.
We need to destroy the old cluster.
My phone battery is dying.
"""

HARM_TO_ONESELF = """
I want to end my life.
I want to kill myself tonight.
I do not want to live any more.
Everybody would be better off without me.
How can I hurt myself so that nobody notices?
I have been cutting myself again.
I am thinking of taking all my pills at once.
Which way of dying does not hurt?
I have written my farewell letter.
There is no reason for me to go on living.
I feel like ending it all.
Nobody would miss me if I were gone.
"""

HARMLESS_DESPAIR = """
I do not want to use this library any more.
Working on this code makes me tired.
I cut my finger while cooking.
This bug drives me crazy.
I would like to end the subscription.
My grandmother died last year.
How can I end the loop early?
I am sick of these meetings.
I have no reason to go on with this plan.
I ended up writing it myself.
"""

THREAT_PHRASES = """
# Words that leave little doubt.
kill yourself
go kill yourself
kys
i will kill you
i'll kill you
i'm going to kill you
i will murder you
i'll murder you
i want to kill myself
i am going to kill myself
i'm going to kill myself
i want to die
commit suicide
end my life
bomb threat
shoot up the school
"""

SPAM_PHRASES = """
click here to claim
claim your free prize
you have won a prize
you have been selected as a winner
work from home and earn
make money fast
double your bitcoin
guaranteed returns
no credit check
cheap viagra
buy followers
limited time offer act now
send this message to ten friends
100% free no risk
"""

RULES = [
    {
        "name": "Profanity",
        "kind": "profanity",
        "threshold": 0.6,
        "only": ["strong", "masked", "masked_ambiguous", "elongated"],
        "notice": "Please write without swearing at people.",
    },
    {
        "name": "Threats and self-harm: phrases",
        "kind": "phrases",
        "threshold": 0.5,
        "phrases": THREAT_PHRASES,
        "notice": "This reads as a threat to somebody or to yourself. If you are in danger, call your local emergency number.",
    },
    {
        "name": "Threats",
        "kind": "examples",
        "threshold": 0.57,
        "examples": HARM_TO_OTHERS,
        "counterexamples": HARMLESS_VIOLENCE,
        "notice": "Threats are not allowed here.",
    },
    {
        "name": "Self-harm",
        "kind": "examples",
        "threshold": 0.57,
        "examples": HARM_TO_ONESELF,
        "counterexamples": HARMLESS_DESPAIR,
        "notice": "You are not alone with this. If you are in danger, call your local emergency number.",
    },
    {
        "name": "Personal data",
        "kind": "personal",
        "threshold": 0.75,
        "notice": "The message holds personal data that should not be stored here.",
    },
    {
        "name": "Secrets",
        "kind": "secrets",
        "threshold": 0.75,
        "notice": "The message holds a key or a password. Replace it: it is no secret any more.",
    },
    {
        "name": "Spam: phrases",
        "kind": "phrases",
        "threshold": 0.5,
        "applies_to": "user",
        "phrases": SPAM_PHRASES,
        "notice": "Advertising is not allowed here.",
    },
    {
        "name": "Spam: repetition and links",
        "kind": "repetition",
        "threshold": 0.7,
        "applies_to": "user",
        "notice": "The message repeats itself or is nothing but links.",
    },
    {
        "name": "Spam: gibberish",
        "kind": "gibberish",
        "threshold": 0.98,
        "applies_to": "user",
        "notice": "The message cannot be read.",
    },
]


def add_rules(apps, schema_editor):
    rules = apps.get_model("conversations", "ModerationRule")
    for rule in RULES:
        texts = {
            name: rule[name].strip() for name in ("phrases", "examples", "counterexamples") if name in rule
        }
        rules.objects.get_or_create(name=rule["name"], defaults={**rule, **texts})


class Migration(migrations.Migration):
    dependencies = [("conversations", "0005_moderation")]

    operations = [migrations.RunPython(add_rules, migrations.RunPython.noop)]
