"""The ES modules in a browser, as they are: no bundler, the browser's own fetch and WebSocket, another origin."""

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.model_script import token_texts
from tests.sdk.typescript.conftest import QUESTION
from tests.sdk.typescript.spoiling_proxy import SpoilingProxy
from tests.stack import KEY

CHROMIUM = Path("/usr/bin/chromium")
PROGRAM = """async ([baseUrl, apiKey, chatApiKey, context, text]) => {
    const { PenguinClient, APIRequestError } = await import('/index.js');
    const client = new PenguinClient({ baseUrl, apiKey, chatApiKey });
    const decision = await client.decideFromContext({ context });
    await client.flush();
    const stream = client.chat.stream({ text });
    let tokens = '';
    for await (const { event, data } of stream) {
        if (event === 'token') tokens += data.token;
    }
    const complete = await stream.result();
    const refused = await client.sendFeedback({ trackingToken: 'trk_x', reaction: 'neutral' }).catch((error) => error);
    const isTyped = refused instanceof APIRequestError && refused.requestId.startsWith('req_');
    return { units: decision.units.length, tokens, response: complete.response, isTyped, code: refused.code };
}"""


def test_ads_and_chat_in_a_browser(proxy: SpoilingProxy, page_origin: str, agent: dict[str, Any]) -> None:
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail("chromium is not installed (apt-packages.txt)")
        pytest.skip("chromium is not installed (apt-packages.txt)")
    arguments = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page()
        page.goto(page_origin)
        text = "[[tokens=20 delay=5]] in a browser"
        found = page.evaluate(PROGRAM, [proxy.url, agent["test_api_key"], KEY, QUESTION, text])
        loaded = page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
        browser.close()
    assert found["units"] > 0
    assert found["tokens"] == found["response"] == "".join(token_texts("in a browser", 20))
    assert (found["isTyped"], found["code"]) == (True, "not_found")
    assert proxy.served.count("POST /functions/v1/event") == found["units"]
    assert [name for name in loaded if "websocket.js" in name] == [f"{page_origin}/websocket.js"]
