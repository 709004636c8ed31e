"""A lively marketplace of advertisers that do not exist, for test keys: some 200 units over all top categories."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db import connection, transaction

from ads import campaigns, categories, units
from ads.core.organisations import organisation_of
from ads.models import AdUnit, Advertiser, Campaign
from ads.vectors import vectors_of

_FILE = Path(__file__).parent / "data" / "demo_ads.tsv"
_NAMES = uuid5(NAMESPACE_URL, "https://demo-ads.example")
Pricing = Campaign.Pricing
Type = AdUnit.Type


@dataclass(frozen=True, slots=True)
class DemoAd:
    """One unit, with the campaign that it is alone in."""

    advertiser: str
    title: str
    body: str
    cta: str
    categories: tuple[str, ...]
    intents: tuple[str, ...]
    queries: tuple[str, ...]
    bid_cents: int
    pricing: str = Pricing.CPC
    ad_type: str = Type.STATIC_OFFER
    service_description: str = ""
    required_fields: tuple[str, ...] = ()


# Several that compete for one question, a service that agents can call, an offer and a session for another question.
SPECIAL = (
    DemoAd("CloudTax", "CloudTax: AI Tax Filing", "File your freelancer taxes in 15 minutes with AI guidance.",
           "Start Free", ("Tax Preparation Services", "Personal Finance"), ("file taxes", "find a tax accountant"),
           ("I need a tax accountant", "help with my tax return", "freelancer taxes"), 50),
    DemoAd("Beancount & Partners", "Your own tax accountant, online", "A certified tax accountant reads your papers and"
           " files your return.", "Book a call", ("Accountants and Bookkeepers", "Personal Finance"),
           ("hire a tax accountant",), ("I need a tax accountant", "tax advisor for my company", "do my taxes"), 45),
    DemoAd("Returnwise", "Tax returns from 49 dollars", "Send photos of your papers; an accountant does the rest.",
           "See prices", ("Tax Preparation Services",), ("have a tax return done",),
           ("cheap tax accountant", "do my taxes for me", "I need help with taxes"), 40),
    DemoAd("Auditly", "Tax help for small companies", "Accountants for sales tax, payroll and the yearly accounts.",
           "Talk to us", ("Accountants and Bookkeepers", "Business and Finance"), ("accountant for a small company",),
           ("accountant for my startup", "I need a tax accountant for my business"), 60),
    DemoAd("Deductio", "Find every deduction", "Answers tax questions and shows what you can deduct.", "Ask now",
           ("Tax Preparation Services",), ("tax questions", "deduct expenses"),
           ("what can I deduct from my taxes", "tax advice"), 35, Pricing.SESSION, Type.DYNAMIC_CAPABILITY, "",
           ("country", "income_type", "question")),
    DemoAd("Polyglot Bridge", "Translation by professional translators", "Documents in 40 languages, checked by a"
           " second translator, by API.", "Translate", ("Business Services", "Business and Finance"),
           ("translate a document", "translation service"),
           ("translate this document to German", "I need a certified translation", "translation service"), 80,
           Pricing.SUCCESS, Type.SERVICE, "Takes a text and a target language, returns the translation."),
    DemoAd("Transcribia", "Transcripts of your recordings", "Meetings and interviews as text, with speakers named.",
           "Transcribe", ("Business Services",), ("transcribe audio",),
           ("transcribe my meeting", "turn a recording into text"), 60, Pricing.SUCCESS, Type.SERVICE,
           "Takes the address of a recording, returns its transcript."),
    DemoAd("Orbit CRM", "Orbit: the CRM for startups", "Contacts, deals and mails in one place. Free for three.",
           "Try free", ("Enterprise Computer Software", "Business and Finance"), ("choose a CRM",),
           ("best CRM for startups", "simple CRM", "software to manage customers"), 70),
    DemoAd("Salesgarden", "Which CRM fits your startup?", "Three questions, then a recommendation with prices.",
           "Start", ("Enterprise Computer Software", "Business and Finance"), ("compare CRM software",),
           ("best CRM for startups", "which CRM should we use", "compare CRM tools"), 65, Pricing.SESSION,
           Type.DYNAMIC_CAPABILITY, "", ("team_size", "budget", "current_tool")),
    DemoAd("Dealflow", "A CRM that fills itself in", "Reads your mail and keeps deals up to date.", "See how",
           ("Enterprise Computer Software",), ("CRM software",), ("CRM for a small sales team", "CRM with automation"),
           550, Pricing.CPM),
)  # fmt: skip


def all_ads() -> Iterator[DemoAd]:
    """Three ads for each line of the file, and the special ones."""
    yield from SPECIAL
    lines = [
        line for line in _FILE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")
    ]
    for number, line in enumerate(lines):
        name, category_names, offer, goal, queries = line.split("\t")
        shared: dict[str, Any] = {
            "advertiser": name,
            "categories": tuple(category_names.split(";")),
            "intents": (goal,),
            "queries": tuple(queries.split(";")),
        }
        bid = 20 + number * 7 % 60
        yield DemoAd(
            title=f"{name}: {offer}"[:100],
            body=f"{name} helps you to {goal}.",
            cta="Learn more",
            bid_cents=bid,
            **shared,
        )
        yield DemoAd(
            title=f"{goal[0].upper()}{goal[1:]}"[:100],
            body=f"Try {offer} by {name}, with a free first month.",
            cta="Try it",
            bid_cents=bid - 3,
            **shared,
        )
        yield DemoAd(
            title=f"New: {offer}"[:100],
            body=f"People who want to {goal} choose {name}.",
            cta="See offers",
            bid_cents=(bid + 5) * 10,
            pricing=Pricing.CPM,
            **shared,
        )


def load(*, now: datetime) -> int:
    """Makes what is not there yet, for test keys only; how many units were made. What was changed since stays."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('ads demo'))")  # one after another
        made = sum(_make(number, ad, now) for number, ad in enumerate(all_ads()))
    # Here and not in the first request that would be shown them: a thousand texts take seconds.
    vectors_of(AdUnit.objects.filter(campaign__advertiser__environment=Advertiser.Environment.TEST))
    return made


def _make(number: int, ad: DemoAd, now: datetime) -> bool:
    name = f"unit {number}"
    if AdUnit.objects.filter(pk=_id_of(name)).exists():
        return False
    host = f"{''.join(c for c in ad.advertiser.lower() if c.isalnum())}.example.com"
    advertiser, _ = Advertiser.objects.get_or_create(
        id=_id_of(ad.advertiser),
        defaults={
            "name": ad.advertiser,
            "organisation": organisation_of(f"ads@{host}"),
            "environment": Advertiser.Environment.TEST,
            "created_at": now,
        },
    )
    campaign = campaigns.create(
        advertiser,
        pricing=ad.pricing,
        now=now,
        name=ad.title,
        bid_cents=ad.bid_cents,
        required_fields=list(ad.required_fields),
    )
    campaigns.move(campaign, Campaign.Status.RUNNING)
    unit = AdUnit(
        id=_id_of(name),
        campaign=campaign,
        ad_type=ad.ad_type,
        title=ad.title,
        body=ad.body,
        cta=ad.cta,
        landing_url=f"https://{host}/",
        service_endpoint=f"https://api.{host}/v1/run" if ad.ad_type == Type.SERVICE else "",
        service_auth="bearer" if ad.ad_type == Type.SERVICE else "",
        service_description=ad.service_description,
        intents=list(ad.intents),
        example_queries=list(ad.queries),
        categories=sorted(categories.known_ids(list(ad.categories))),
        review=AdUnit.Review.APPROVED,
        created_at=now,
        changed_at=now,
    )
    unit.approved_content = units.content_of(unit)
    unit.save(force_insert=True)
    return True


def _id_of(name: str) -> UUID:
    return uuid5(_NAMES, name)
