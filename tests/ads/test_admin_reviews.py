"""Reviewers approve and reject ads in the admin: word for word, once, with a policy, and not beyond recall."""

from html import escape

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ads import policy, review_queue, units
from ads.core.policy_phrases import Phrase, phrase_hits, plain, writing_hits
from ads.models import AdUnit, BlockedCategory, PolicyPhrase, UnitReview
from penguin_site.errors import DomainError
from tests.ads.factories import AdUnitFactory
from tests.ads.staff_client import StaffClient, audited
from tests.ads.test_races import at_once

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script> \u202etxt.exe"


def pending(**fields) -> AdUnit:
    return AdUnitFactory(review="pending_review", approved_content=None, **fields)


def name_of(unit: AdUnit) -> str:
    return f"{unit.pk}:{review_queue.digest_of(unit)}"


def reviewer(name: str = "ann") -> StaffClient:
    return StaffClient(name, "review_adunit", "view_adunit", "view_unitreview")


@pytest.mark.parametrize(
    "text, phrase, is_there",
    [
        ("A Guaranteed  RETURN for you", "guaranteed return", True),
        ("g\u200buaranteed return", "guaranteed return", True),  # zero width
        ("guar\u00e0nteed return", "guaranteed return", True),  # accents
        ("\uff47uaranteed return", "guaranteed return", True),  # full width
        ("guaranteed-return!", "guaranteed return", True),
        ("guaranteed returns", "guaranteed return", False),  # other words
        ("unguaranteed return", "guaranteed return", False),
        ("anything", "!!", False),  # a phrase without words
        ("", "x", False),
    ],
)
def test_phrases_are_found_as_words(text, phrase, is_there):
    assert bool(phrase_hits({"title": text}, [Phrase(phrase, True, "")])) is is_there


@pytest.mark.parametrize(
    "text, found, is_forbidden",
    [
        ("pay\u202eload", ["U+202E"], True),
        ("BUY NOW OR NEVER", ["CAPITALS"], False),
        ("NASA and IBM", [], False),
        ("really?!!", ["?!!"], False),
        ("Files your taxes.", [], False),
    ],
)
def test_ways_of_writing(text, found, is_forbidden):
    hits = writing_hits({"body": text})
    assert [hit.found for hit in hits] == found
    assert all(hit.is_forbidden is is_forbidden for hit in hits)
    assert plain("  A\u0301b--c ") == "ab c"


def test_the_queue_shows_what_a_reviewer_has_to_know(django_assert_num_queries):
    PolicyPhrase.objects.create(phrase="best ever", note="Needs proof.")
    first = pending(title="The best ever", landing_url="https://shop.example/a")
    changed = AdUnitFactory(body="Files your taxes quickly.", review="pending_review")
    AdUnit.objects.filter(pk=changed.pk).update(
        approved_content=units.content_of(changed) | {"body": "Files your taxes slowly."}
    )
    client = reviewer()
    page = client.see("unitreview_queue").content.decode()
    assert page.index(first.title) < page.index(changed.title)
    assert "<bdi>best ever</bdi>" in page and "Needs proof." in page
    assert "<del>slowly</del><ins>quickly</ins>" in page
    assert ">Sponsored<" in page and first.campaign.advertiser.name in page
    # As many statements for twenty ads as for two.
    client.see("unitreview_queue")
    with CaptureQueriesContext(connection) as few:
        client.see("unitreview_queue")
    for _ in range(20):
        pending()
    with django_assert_num_queries(len(few)):
        assert "20 of the oldest ads wait" in client.see("unitreview_queue").content.decode()


def test_approving_and_rejecting():
    good, bad, both = pending(), pending(), [pending(), pending()]
    client = reviewer()
    assert client.press("unitreview_decide", unit=name_of(good), verdict="approve").said == ["1 ad approved."]
    assert (
        "must say what is wrong"
        in client.press("unitreview_decide", unit=name_of(bad), verdict="reject").said[0]
    )
    client.press("unitreview_decide", unit=name_of(bad), verdict="reject", reason="Needs proof.")
    said = client.press("unitreview_decide", chosen=[name_of(unit) for unit in both], verdict="approve").said
    assert said == ["2 ads approved."]
    for unit in (good, bad, *both):
        unit.refresh_from_db()
    assert [unit.review for unit in (good, bad, *both)] == ["approved", "rejected", "approved", "approved"]
    assert (good.approved_content["title"], bad.review_reason) == (good.title, "Needs proof.")
    assert audited() == [
        ("ann", "ad.approved"),
        ("ann", "ad.rejected"),
        ("ann", "ad.approved"),
        ("ann", "ad.approved"),
    ]
    assert "Needs proof." in client.see("adunit_change", bad.pk).content.decode()
    assert client.press("unitreview_decide", verdict="approve").said == [
        "Choose ads, and approve or reject them."
    ]
    assert client.press("unitreview_decide", unit="no:thing", verdict="approve").said == [
        "There is no such ad."
    ]


def test_what_was_changed_while_it_was_read_is_not_approved():
    unit = pending()
    name = name_of(unit)
    units.change(unit, now=timezone.now(), title="Something else")
    said = reviewer().press("unitreview_decide", unit=name, verdict="approve").said
    assert said == ["Something else: It was changed while you read it: look at it again."]
    assert AdUnit.objects.get().review == "pending_review" and audited() == []


def test_the_second_reviewer_is_told_who_was_first():
    unit = pending()
    reviewer("ann").press("unitreview_decide", unit=name_of(unit), verdict="approve")
    said = reviewer("bob").press("unitreview_decide", unit=name_of(unit), verdict="reject", reason="No.").said
    assert len(said) == 1 and "ann has approved this ad already" in said[0]
    unit.refresh_from_db()
    assert (unit.review, UnitReview.objects.count()) == ("approved", 1)


@pytest.mark.django_db(transaction=True)
def test_of_many_reviewers_one_decides():
    made = [pending() for _ in range(3)]

    def judge(number: int) -> str:
        unit = AdUnit.objects.get(pk=made[number % 3].pk)
        try:
            if number % 2:
                units.approve(unit, now=timezone.now())
            else:
                units.reject(unit, reason="No.", now=timezone.now())
        except DomainError as error:
            return error.code
        return "decided"

    outcomes = at_once(judge, range(24), threads=8)
    assert (outcomes.count("decided"), outcomes.count("not_in_review")) == (3, 21)
    assert UnitReview.objects.count() == 3 and len(audited()) == 3
    for unit in AdUnit.objects.all():
        assert unit.review == unit.reviews.get().outcome


def test_a_decision_is_taken_back_unless_something_came_after_it():
    unit = pending()
    client = reviewer()
    client.press("unitreview_decide", unit=name_of(unit), verdict="approve")
    review = UnitReview.objects.get()
    assert client.press("unitreview_withdraw", review.pk).said == ["Taken back: the ad waits again."]
    unit.refresh_from_db()
    assert (unit.review, unit.approved_content) == ("pending_review", None)
    assert len(client.press("unitreview_withdraw", review.pk).said) == 1
    client.press("unitreview_decide", unit=name_of(unit), verdict="reject", reason="No.")
    second = UnitReview.objects.get(outcome="rejected")
    units.change(unit, now=timezone.now(), title="Another")
    assert "changed or decided on again" in client.press("unitreview_withdraw", second.pk).said[0]
    actions = [action for _, action in audited()]
    assert actions == ["ad.approved", "ad.review_withdrawn", "ad.rejected"]


def test_what_the_policy_forbids_cannot_be_approved():
    PolicyPhrase.objects.create(phrase="snake oil", is_forbidden=True)
    unit = pending(body="A Snake\u200b oil for all.")
    client = reviewer()
    said = client.press("unitreview_decide", unit=name_of(unit), verdict="approve").said
    assert "body: snake oil" in said[0]
    assert AdUnit.objects.get().review == "pending_review"
    assert "disabled" in client.see("unitreview_queue").content.decode()


def test_a_blocked_category_sends_its_ads_back(client):
    tree = policy.categories.tree()
    child = next(each for each in tree.by_id.values() if each.tier == 2 and each.id.isdigit())
    inside, outside = AdUnitFactory(categories=[child.id]), AdUnitFactory()
    staff = StaffClient("pia", "view_blockedcategory", "add_blockedcategory", "delete_blockedcategory")
    assert escape(child.full_path) in staff.see("blockedcategory_changelist", q=child.name).content.decode()
    said = staff.press("blockedcategory_block", category=child.parent_id, note="By law.").said
    assert said == ["Blocked. 1 approved ads wait for review again."]
    assert staff.press("blockedcategory_block", category=child.parent_id).said == [
        "This category is blocked already."
    ]
    inside.refresh_from_db()
    outside.refresh_from_db()
    assert (inside.review, outside.review) == ("pending_review", "approved")
    published = client.get("/functions/v1/policy").json()["defaults"]["blocked_categories"]
    assert published == [int(child.parent_id)]
    with pytest.raises(policy.AgainstPolicy):
        units.approve(inside, now=timezone.now())
    units.change(outside, now=timezone.now(), categories=[child.id])
    outside.refresh_from_db()
    assert outside.review == "pending_review"
    staff.press("blockedcategory_free", category=child.parent_id)
    assert len(staff.press("blockedcategory_free", category=child.parent_id).said) == 1
    units.approve(inside, now=timezone.now())
    assert not BlockedCategory.objects.exists()
    assert "no category" in staff.press("blockedcategory_block", category="nonsense").said[0]


def test_phrases_are_kept_by_staff():
    staff = StaffClient(
        "pia", "view_policyphrase", "add_policyphrase", "change_policyphrase", "delete_policyphrase"
    )
    form = {"phrase": "cheap watches", "is_forbidden": "on", "note": "Fakes."}
    assert staff.press("policyphrase_add", **form).status_code == 302
    assert "already" in staff.press("policyphrase_add", **form | {"phrase": "Cheap Watches"}).content.decode()
    assert "letter or a digit" in staff.press("policyphrase_add", **form | {"phrase": "!!"}).content.decode()
    row = PolicyPhrase.objects.get(phrase="cheap watches")
    assert "cheap watches" in staff.see("policyphrase_changelist").content.decode()
    staff.press("policyphrase_change", row.pk, phrase="other", note="Mostly fakes.")
    row.refresh_from_db()
    assert (row.phrase, row.is_forbidden, row.note) == ("cheap watches", False, "Mostly fakes.")
    staff.press("policyphrase_delete", row.pk, post="yes")
    assert not PolicyPhrase.objects.filter(pk=row.pk).exists()
    assert [action for _, action in audited()] == [
        "policy.phrase_added", "policy.phrase_changed", "policy.phrase_removed",
    ]  # fmt: skip


def test_names_that_mean_harm_are_only_text():
    unit = pending(title=HOSTILE, campaign__name=HOSTILE, campaign__advertiser__name=HOSTILE)
    staff = StaffClient("root")
    for name, arguments in (
        ("unitreview_queue", ()),
        ("adunit_changelist", ()),
        ("adunit_change", (unit.pk,)),
        ("campaign_changelist", ()),
        ("campaign_change", (unit.campaign_id,)),
        ("advertiser_change", (unit.campaign.advertiser_id,)),
    ):
        page = staff.see(name, *arguments).content.decode()
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page, name


def test_who_may_not_review_does_not():
    unit = pending()
    looker = StaffClient("lee", "view_adunit")
    assert looker.see("adunit_changelist").status_code == 200
    assert looker.see("unitreview_queue").status_code == 403
    assert looker.press("unitreview_decide", unit=name_of(unit), verdict="approve").status_code == 403
    assert looker.press("blockedcategory_block", category="1").status_code == 403
    assert looker.press("adunit_change", unit.pk, title="Mine").status_code == 403
    unit.refresh_from_db()
    assert unit.review == "pending_review"
    assert Permission.objects.filter(codename="review_adunit").exists()
