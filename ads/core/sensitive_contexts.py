"""Moments in which nobody is shown an ad: what people say when they grieve, are in danger, or speak of politics.

Two looks, either is enough: phrases that are never an accident, and examples that a sentence embedding is compared
with. A wrong alarm costs one ad.
"""

import re

# At this cosine a text says much the same as an example.
SIMILAR_ENOUGH = 5_800  # ten-thousandths

_PHRASES = {
    "self_harm": r"kill(ing)? myself|suicid\w*|end (it all|my life)|self[- ]?harm\w*|hurt(ing)? myself"
    r"|(don'?t|do not) want to (live|be alive)|better off dead|cut(ting)? myself",
    "grief": r"(mother|father|mom|mum|dad|wife|husband|son|daughter|baby|child|brother|sister|friend|partner) (has )?"
    r"(just )?(died|passed away)|miscarriage|stillb(orn|irth)|funeral|grie(f|ving)|bereave\w*",
    "medical_crisis": r"overdos\w*|heart attack|(can'?t|cannot) breathe|chest pain|having a stroke"
    r"|bleeding (out|heavily)|terminal (cancer|illness)|anaphyla\w*|call (911|112|an ambulance)",
    "abuse": r"(he|she|husband|wife|boyfriend|girlfriend|father|mother|partner) (hits|beats|raped|abuses|molested) me"
    r"|domestic (violence|abuse)|sexual(ly)? (abuse\w*|assault\w*)|\braped?\b",
    "minors": r"\bi('?m| am) (8|9|1[0-5]|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen)( years old)?\b"
    r"(?! (minutes|hours|days|weeks|months|km|miles))|child (porn\w*|abuse)|my (3rd|4th|5th|6th|7th) grade",
    "politics": r"who (should|do) i vote|vote for|election (campaign|result)s?|(donald )?trump\b|\bbiden\b|abortion"
    r"|\b(republican|democrat)s?\b|political part(y|ies)|gun control|immigration policy",
    "violence": r"(kill|shoot|murder|stab) (him|her|them|someone|somebody|people)|make a bomb|mass shooting|terroris\w*"
    r"|genocide",
}
_PATTERNS = {kind: re.compile(rf"\b(?:{pattern})", re.IGNORECASE) for kind, pattern in _PHRASES.items()}

EXAMPLES = {
    "self_harm": ("I want to die", "I do not see any reason to go on living", "I keep hurting myself"),
    "grief": (
        "my mother died last week and I do not know what to do",
        "we lost our baby",
        "I am mourning my husband",
    ),
    "medical_crisis": (
        "my child swallowed poison, what should I do",
        "I think I am having a heart attack",
        "I was just diagnosed with terminal cancer",
    ),
    "abuse": ("my partner is violent and I am afraid", "I was sexually assaulted"),
    "politics": ("which party should win the election", "what do you think of the president's policies"),
    "violence": ("I want to hurt somebody", "how do I build a weapon to attack people"),
}


def sensitive_phrase(text: str) -> str | None:
    """The kind of moment that a phrase in the text speaks of; None if there is none."""
    text = text.replace("\u2019", "'")
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.search(text)), None)
