"""Decide, show, report: the whole way of an ad. Put your keys in."""

from datetime import UTC, datetime

from penguin_sdk import PenguinClient

with PenguinClient(api_key="am_test_...", agent_id="agt_your_id") as client:
    response = client.decide_from_context(
        context="I need a tax accountant",
        max_results=3,
        min_quality_score=0.1,
    )
    for ad in response["units"]:
        print(f"[{ad['disclosure']['label']}] {ad['creative']['title']}: {ad['click_url']}")

    ad = response["units"][0]
    client.track_event(
        event_id=f"evt_{response['decision_id']}",
        occurred_at=datetime.now(UTC).isoformat(),
        agent_id="agt_your_id",
        unit_id=ad["_meta"]["unit_id"],
        event_type="ad_shown",
        tracking_token=ad["tracking_token"],
    )

    # Your own prediction ...
    feedback = client.send_feedback(tracking_token=ad["tracking_token"], reaction="positive")
    print(feedback["message"])

    # ... or read from what the user answered.
    if len(response["units"]) > 1:
        client.send_feedback(
            tracking_token=response["units"][1]["tracking_token"],
            user_response="That's exactly what I was looking for!",
            conversation_history=["I need a tax tool", "Here is CloudTax..."],
        )

    for service in response["units"]:
        if "transaction_id" in service:
            result = client.log_service_result(
                transaction_id=service["transaction_id"], success=True, metadata={"items_processed": 5}
            )
            print(result["message"], result["payment_amount"])
