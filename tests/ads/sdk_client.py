"""A client by the published rules of the SDK: what it sends, what it tries again, and which errors it raises."""

import time
import uuid
from datetime import UTC, datetime
from typing import Any

import requests

_AGAIN = (408, 429)


class PenguinError(Exception):
    pass


class ValidationError(PenguinError):
    """The parameters are not valid: nothing was done."""


class NetworkError(PenguinError):
    """No answer came."""


class TimeoutError(PenguinError):
    """No answer came in time."""

    def __init__(self, timeout_ms: int) -> None:
        super().__init__(f"no answer in {timeout_ms} ms")
        self.timeout_ms = timeout_ms


class APIRequestError(PenguinError):
    """The server has refused."""

    def __init__(self, status: int, body: dict[str, Any], headers: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status, self.code, self.body = status, body["code"], body
        self.retry_after = headers.get("Retry-After")


class PenguinClient:
    def __init__(
        self,
        api_key: str,
        *,
        base_url: str,
        agent_id: str = "",
        anon_key: str = "anon",
        timeout_ms: int = 10_000,
        max_retries: int = 2,
        backoff_seconds: float = 0.05,
    ) -> None:
        self.base_url, self.agent_id = base_url, agent_id
        self.timeout_ms, self.max_retries, self.backoff_seconds = timeout_ms, max_retries, backoff_seconds
        self.requests_sent = 0
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {anon_key}"
        if api_key:
            self._session.headers["X-AM-API-Key"] = api_key

    @classmethod
    def signup(cls, *, base_url: str, **fields: Any) -> dict[str, Any]:
        return cls("", base_url=base_url)._post("agent-signup", fields)

    def decide_from_context(self, *, context: str, **options: Any) -> dict[str, Any]:
        """The decision; its units' impressions are reported on the way."""
        if not context.strip():
            raise ValidationError("context is empty")
        decision = self._post("decide", {"context": context, **options})
        for unit in decision["units"]:
            self.track_event("impression", unit)
        return decision

    def track_event(self, event_type: str, unit: dict[str, Any], **others: Any) -> dict[str, Any]:
        """Tried again under the same id: reporting it twice is no harm."""
        event = {
            "event_id": f"evt_{uuid.uuid4().hex}",
            "occurred_at": datetime.now(UTC).isoformat(),
            "agent_id": self.agent_id,
            "unit_id": unit["_meta"]["unit_id"],
            "event_type": event_type,
            "tracking_token": unit["tracking_token"],
        }
        return self._send("POST", "event", event | others, tries=1 + self.max_retries)

    def send_feedback(self, **fields: Any) -> dict[str, Any]:
        return self._post("feedback", fields)

    def log_service_result(self, **fields: Any) -> dict[str, Any]:
        return self._post("service-result", fields)

    def rate_business(self, **fields: Any) -> dict[str, Any]:
        return self._post("rate-business", fields)

    def get(self, path: str) -> dict[str, Any]:
        return self._send("GET", path, None, tries=1 + self.max_retries)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return self._send("POST", path, body, tries=1)

    def _send(self, method: str, path: str, body: Any, *, tries: int) -> dict[str, Any]:
        for left in range(tries - 1, -1, -1):
            try:
                return self._once(method, path, body)
            except (APIRequestError, NetworkError) as error:
                status = getattr(error, "status", 500)
                if not left or not (status in _AGAIN or status >= 500):
                    raise
            time.sleep(self.backoff_seconds * 2 ** (tries - 1 - left))
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, body: Any) -> dict[str, Any]:
        self.requests_sent += 1
        try:
            response = self._session.request(
                method, f"{self.base_url}/{path}", json=body, timeout=self.timeout_ms / 1000
            )
        except requests.Timeout:
            raise TimeoutError(self.timeout_ms) from None
        except requests.ConnectionError as error:
            raise NetworkError(str(error)) from None
        answer: dict[str, Any] = response.json()
        if response.status_code == 400:
            raise ValidationError(answer["message"])
        if response.status_code >= 400:
            raise APIRequestError(response.status_code, answer, response.headers)
        return answer
