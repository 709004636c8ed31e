"""1 to 5 for a business, after the user has clicked its ad."""

from penguin_sdk import PenguinClient

with PenguinClient(api_key="am_test_...") as client:
    ad = client.decide_from_context(context="I need a tax accountant", max_results=1)["units"][0]
    print(ad["click_url"])
    input("Press enter when you have looked at it. ")
    rating = client.rate_business(
        tracking_token=ad["tracking_token"],
        ad_unit_id=ad["_meta"]["unit_id"],
        rating=4,
        context="Fast response, helpful information",
    )
    print(rating["status"], rating["rating"])
