"""`GET /conversations` over HTTP with 100 conversations and with 100,000: the list has to be as fast.

python -m benchmarks.conversation_list
"""

import http.client
import json
import time
from typing import Any
from urllib.parse import quote, urlsplit

from benchmarks.load_conversations import load
from benchmarks.report import Figure, percentile, show
from benchmarks.stand import stand
from tests.processes import eventually
from tests.stack import KEY, Stack

FEW, MANY = 100, 100_000
BAR = 2.0
REQUESTS = 200
LIST = "/api/v1/conversations"


class Reader:
    """One client with one connection to a stack that has `count` conversations."""

    def __init__(self, stack: Stack, count: int) -> None:
        web = urlsplit(stack.webs[0].http).netloc
        http.client.HTTPConnection(web).request(
            "GET", LIST, headers={"X-API-Key": KEY}
        )  # makes the local owner
        owner_id = eventually(lambda: stack.sql("SELECT id FROM penguin_site_user WHERE username = 'owner'"))[
            0
        ][0]
        load(stack.database_url, owner_id=owner_id, count=count)
        self._connection = http.client.HTTPConnection(web, timeout=30)

    def get(self, path: str) -> Any:
        self._connection.request("GET", path, headers={"X-API-Key": KEY})
        response = self._connection.getresponse()
        body = response.read()
        assert response.status == 200, body
        return json.loads(body)

    def milliseconds(self, path: str) -> float:
        began = time.perf_counter()
        self.get(path)
        return (time.perf_counter() - began) * 1000

    def far_page(self) -> str:
        """The address of a page far down the list."""
        cursor, last, pages = "", "", 0
        while cursor is not None and pages < 50:
            last, pages = cursor, pages + 1
            cursor = self.get(f"{LIST}?limit=200&cursor={quote(cursor)}")["next_cursor"]
        return f"{LIST}?limit=50&cursor={quote(last)}"


def medians(few: Reader, few_path: str, many: Reader, many_path: str) -> tuple[float, float]:
    """Both at the same time, request by request, so that other work on the machine meets both alike."""
    pairs = [(few.milliseconds(few_path), many.milliseconds(many_path)) for _ in range(REQUESTS)]
    return tuple(percentile(times, 0.5) for times in zip(*pairs, strict=True))


def measure(few: Reader, many: Reader) -> list[Figure]:
    search = f"{LIST}?search=subject+77"
    ways = {
        "first page of 50": (LIST, LIST, BAR),
        "far page of 50": (few.far_page(), many.far_page(), BAR),
        "search in titles": (search, search, None),
    }
    figures = []
    for name, (few_path, many_path, bar) in ways.items():
        small, large = medians(few, few_path, many, many_path)
        note = f"p50 {small:.1f} ms of {FEW:,}, {large:.1f} ms of {MANY:,}"
        figures.append(Figure(name, large / small, "x", bar, note))
    return figures


def main() -> None:
    with stand(workers=0) as few, stand(workers=0) as many:
        show("List of conversations", measure(Reader(few, FEW), Reader(many, MANY)))


if __name__ == "__main__":
    main()
