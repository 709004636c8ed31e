"""Which errors there are, and who can do something about them."""

from penguin_sdk import APIRequestError, NetworkError, PenguinClient, TimeoutError, ValidationError


def decide(user_message: str, *, base_url: str | None = None, timeout_ms: int = 10_000) -> None:
    with PenguinClient(api_key="am_test_...", base_url=base_url, timeout_ms=timeout_ms) as client:
        try:
            response = client.decide_from_context(context=user_message)
            print(response["status"], len(response["units"]))
        except ValidationError as error:
            print("Bad request:", error)
        except TimeoutError as error:
            print("Timeout after", error.timeout_ms, "ms")
        except APIRequestError as error:
            print("API error:", error.status, error.code)
        except NetworkError:
            print("Network error")


decide("I need a tax accountant")
decide("")
decide("I need a tax accountant", timeout_ms=1)
decide("x" * 16_000, base_url="http://127.0.0.1:1")
