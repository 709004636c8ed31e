"""`fetch_url` reaches the public web only: nothing here, whatever a URL, a redirect or a name server says."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from aiohttp import web

from conversations.core.public_addresses import is_public
from conversations.core.tool_calls import Effect
from conversations.tools.base import Invocation, ToolError, ToolResult, Workplace
from conversations.tools.fetch_url import FetchUrl
from conversations.tools.public_web import PublicWeb

# Two machines: the tests call the one public, and the other one must never be reached.
PUBLIC, PRIVATE = "127.0.0.1", "127.0.0.2"
PLACE = Workplace(Path("/"), 1, 1, "session", "run", True, "none")


@dataclass
class Internet:
    """A server on the public address, one on the private address, both on one port; and a name server."""

    port: int = 0
    names: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)  # names that were resolved
    seen: list[web.Request] = field(default_factory=list)
    reached: list[str] = field(default_factory=list)  # what came to the private address

    async def resolve(self, host: str) -> list:
        self.asked.append(host)
        answers = self.names.get(host.rstrip("."), [])
        # A name with several answers in a row gives the next one each time.
        if answers and answers[0] == "then":
            return [ip_address(answers.pop(1) if len(answers) > 2 else answers[1])]
        return [ip_address(answer) for answer in answers]

    def web(self, **changes) -> PublicWeb:
        settings = {
            "resolve": self.resolve,
            "is_public": lambda address: str(address) == PUBLIC or is_public(address),
            "ports": frozenset({80, 443, self.port}),
            "total_seconds": 5.0,
        }
        return PublicWeb(**{**settings, **changes})

    def url(self, path: str = "/", host: str = "public.test") -> str:
        return f"http://{host}:{self.port}{path}"

    async def fetch(self, url: str, **changes) -> ToolResult:
        tool = FetchUrl(self.web(**changes))
        tool.check({"url": url})
        tool.targets({"url": url}, PLACE)
        return await tool.run(Invocation("call", {"url": url}, PLACE))


INTERNET = web.AppKey("internet", Internet)
PACKERS = {"gzip": gzip.compress, "deflate": zlib.compress, "br": bytes}


def packed(body: bytes, encoding: str) -> web.Response:
    return web.Response(body=body, headers={"Content-Encoding": encoding, "Content-Type": "text/plain"})


async def public_page(request: web.Request) -> web.StreamResponse:
    internet = request.app[INTERNET]
    internet.seen.append(request)
    match request.path:
        case "/redirect":
            raise web.HTTPFound(request.query["to"])
        case "/loop":
            n = int(request.query.get("n", "0"))
            raise web.HTTPFound(f"/loop?n={n + 1}")
        case "/steps":
            n = int(request.query["n"])
            if n:
                raise web.HTTPTemporaryRedirect(f"/steps?n={n - 1}")
            return web.Response(text="arrived")
        case "/huge":
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            for _ in range(64):
                await response.write(b"x" * 256 * 1024)
            return response
        case "/slow":
            response = web.StreamResponse(headers={"Content-Type": "text/plain"})
            await response.prepare(request)
            while True:
                await response.write(b".")
                await asyncio.sleep(0.05)
        case "/bomb":
            return packed(PACKERS[request.query["by"]](b"a" * 50_000_000), request.query["by"])
        case "/packed":
            return packed(PACKERS[request.query["by"]](b"packed text"), request.query["by"])
        case "/typed":
            return web.Response(
                body=bytes.fromhex(request.query["hex"]), headers={"Content-Type": request.query["type"]}
            )
        case "/untyped":
            return web.Response(body=b"\x7fELF")
        case "/missing":
            raise web.HTTPNotFound(text="nothing here")
        case "/cookie":
            response = web.HTTPFound("/", headers={"Set-Cookie": "a=b; Path=/"})
            raise response
    return web.Response(text="<title>Hello</title><p>A <a href='/next'>page</a>.", content_type="text/html")


@pytest.fixture
async def internet() -> AsyncIterator[Internet]:
    found = Internet(names={"public.test": [PUBLIC], "private.test": [PRIVATE]})

    async def private_page(request: web.Request) -> web.Response:
        found.reached.append(request.path)
        return web.Response(text="secret")

    runners = []
    for host, handler in ((PUBLIC, public_page), (PRIVATE, private_page)):
        app = web.Application()
        app[INTERNET] = found
        app.router.add_get("/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        site = web.TCPSite(runner, host, found.port)
        await site.start()
        found.port = found.port or runner.addresses[0][1]
    yield found
    for runner in runners:
        await runner.cleanup()
    assert found.reached == []


async def test_a_page_is_fetched_as_text(internet):
    result = await internet.fetch(internet.url("/some?x=1#part"))
    assert not result.failed
    assert "# Hello\n\nA [page](http://public.test:" in result.text
    assert f"URL: {internet.url('/some?x=1')}\nStatus: 200\nContent-Type: text/html\n" in result.text
    [request] = internet.seen
    assert request.headers["Host"] == f"public.test:{internet.port}"
    assert not {"Cookie", "Authorization", "Proxy-Authorization", "Referer"} & set(request.headers)


async def test_the_name_is_resolved_once_for_each_request(internet):
    await internet.fetch(internet.url("/steps?n=2"))
    assert internet.asked == ["public.test"] * 3


REFUSED = [
    # Schemes
    "file:///etc/passwd",
    "ftp://public.test/",
    "gopher://public.test/",
    "javascript:alert(1)",
    "data:text/plain,hello",
    "//public.test/",
    "/etc/passwd",
    "",
    "public.test",
    "unix:///var/run/docker.sock",
    # No host, or none that could be one
    "http://",
    "http:///path",
    "http://?x",
    "http://a..b/",
    "http://-/",
    "http://public.test%00.example/",
    "http://[::1",
    # Who asks
    "http://user:password@public.test/",
    "http://user@public.test/",
    "http://@public.test/",
    "http://:@public.test/",
    "http://public.test@127.0.0.2/",
    "http://public.test:80@127.0.0.2/",
    "http://public.test#@127.0.0.2:80@x/",
    "http://127.0.0.2\\@public.test/",
    "http://public.test\\@127.0.0.2/",
    "http://public.test /",
    " http://public.test/",
    "http://public.test/\r\nHost: private.test",
    "http://public\t.test/",
    # Ports
    "http://public.test:22/",
    "http://public.test:0/",
    "http://public.test:8080/",
    "https://public.test:65536/",
    "http://public.test:-1/",
    "http://public.test:x/",
    # This machine and its networks
    "http://127.0.0.2/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0.0.0.0/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.2]/",
    "http://[::ffff:7f00:2]/",
    "http://[::127.0.0.2]/",
    "http://[0:0:0:0:0:ffff:7f00:2]/",
    "http://[64:ff9b::7f00:2]/",
    "http://[2002:7f00:2::]/",
    "http://[2001:0:7f00:2::]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00:ec2::254]/",
    # The same in other notations
    "http://2130706434/",
    "http://0x7f000002/",
    "http://0x7f.2/",
    "http://0177.0.0.2/",
    "http://127.2/",
    "http://127.0.2/",
    "http://127.0.0.2./",
    "http://127.0.0.2%2e/",
    "http://１２７.0.0.2/",
    "http://①②⑦.0.0.2/",
    "http://127。0。0。2/",
    "http://%31%32%37.0.0.2/",
]


@pytest.mark.parametrize("url", REFUSED, ids=range(len(REFUSED)))
async def test_what_is_no_address_of_the_public_web_is_refused(internet, url):
    with pytest.raises(ToolError):
        await internet.fetch(url)
    assert internet.seen == []


@pytest.mark.parametrize("url", REFUSED, ids=range(len(REFUSED)))
async def test_nor_is_it_by_a_redirect(internet, url):
    """Relative ones among them lead to the public server itself, which is fine."""
    try:
        result = await internet.fetch(internet.url(f"/redirect?to={_quoted(url)}"))
    except ToolError:
        result = None
    assert internet.seen
    assert result is None or str(internet.port) in result.text.splitlines()[0]


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


@pytest.mark.parametrize(
    "to",
    [
        "http://private.test:{port}/secret",
        "http://127.0.0.2:{port}/secret",
        "//127.0.0.2:{port}/secret",
        "http://[::ffff:127.0.0.2]:{port}/secret",
        "http://2130706434:{port}/secret",
        "http://user@127.0.0.2:{port}/secret",
    ],
)
async def test_a_redirect_to_a_private_server_is_not_followed(internet, to):
    with pytest.raises(ToolError):
        await internet.fetch(internet.url(f"/redirect?to={_quoted(to.format(port=internet.port))}"))
    assert len(internet.seen) == 1


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.2"],
        [PUBLIC, "127.0.0.2"],  # one bad one is enough
        ["8.8.8.8", "10.0.0.1"],
        ["::ffff:127.0.0.2"],
        ["::1"],
        ["fe80::1%eth0"],
        [],
    ],
    ids=range(7),
)
async def test_a_name_for_a_private_address_is_refused(internet, answers):
    internet.names["evil.test"] = answers
    with pytest.raises(ToolError):
        await internet.fetch(internet.url(host="evil.test"))
    assert internet.seen == []


async def test_a_name_that_changes_its_mind_is_asked_once_and_that_answer_is_used(internet):
    internet.names["rebind.test"] = ["then", PUBLIC, PRIVATE]
    result = await internet.fetch(internet.url(host="rebind.test"))
    assert "Hello" in result.text
    assert internet.asked == ["rebind.test"]


async def test_a_name_that_changes_its_mind_before_a_redirect_is_refused(internet):
    internet.names["rebind.test"] = ["then", PUBLIC, PRIVATE]
    with pytest.raises(ToolError, match="not on the public internet"):
        await internet.fetch(internet.url("/redirect?to=/secret", host="rebind.test"))
    assert len(internet.seen) == 1


async def test_the_machines_own_name_is_refused_by_the_real_resolver():
    with pytest.raises(ToolError):
        await PublicWeb().get("http://localhost/")


async def test_redirects_are_followed_to_a_limit(internet):
    assert "arrived" in (await internet.fetch(internet.url("/steps?n=5"))).text
    with pytest.raises(ToolError, match="More than 5 redirects"):
        await internet.fetch(internet.url("/steps?n=6"))


async def test_a_redirect_loop_ends(internet):
    with pytest.raises(ToolError, match="redirects"):
        await internet.fetch(internet.url("/loop"))
    assert len(internet.seen) == 6


async def test_no_cookie_is_sent_back(internet):
    await internet.fetch(internet.url("/cookie"))
    assert [request.headers.get("Cookie") for request in internet.seen] == [None, None]


async def test_a_huge_answer_is_cut(internet):
    result = await internet.fetch(internet.url("/huge"))
    assert "Only the first 2097152 bytes were read." in result.text
    assert 2_097_152 < len(result.text) < 2_098_000


@pytest.mark.parametrize("by", ["deflate", "gzip"])
async def test_a_small_answer_that_unpacks_to_a_huge_one_is_cut(internet, by):
    page = await internet.web(total_seconds=20.0).get(internet.url(f"/bomb?by={by}"))
    assert (len(page.body), page.is_cut) == (2_097_152, True)


async def test_a_slow_answer_is_given_up(internet):
    began = asyncio.get_running_loop().time()
    with pytest.raises(ToolError, match=r"within 0\.4 seconds"):
        await internet.fetch(internet.url("/slow"), total_seconds=0.4)
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_slow_name_server_is_given_up(internet):
    async def never(host: str) -> list:
        await asyncio.sleep(60)
        return []

    with pytest.raises(ToolError, match="within"):
        await internet.fetch(internet.url(), total_seconds=0.2, resolve=never)


async def test_a_closed_port_is_an_error(internet):
    with pytest.raises(ToolError, match="no connection to public"):
        await internet.fetch("http://public.test:9/", ports=frozenset({9}))


async def test_a_server_without_a_valid_certificate_is_refused(internet):
    with pytest.raises(ToolError):
        await internet.fetch(f"https://public.test:{internet.port}/")
    assert internet.seen == []


@pytest.mark.parametrize("by", ["gzip", "deflate"])
async def test_packed_answers_are_read(internet, by):
    assert (await internet.fetch(internet.url(f"/packed?by={by}"))).text.endswith("packed text")


async def test_unknown_packing_is_refused(internet):
    with pytest.raises(ToolError, match="packed as 'br'"):
        await internet.fetch(internet.url("/packed?by=br"))


@pytest.mark.parametrize(
    "media_type, body, text",
    [
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/problem%2Bjson", b"{}", "{}"),
        ("text/markdown", b"# Hi", "# Hi"),
        ("text/plain;charset=latin-1", b"caf\xe9", "café"),
        ("text/plain;charset=nonsense", b"a", "a"),
        ("text/plain;charset=zip", b"a", "a"),
        ("text/plain", b"\xef\xbb\xbfbom \xff", "bom \ufffd"),
        ("text/html", b"<meta charset='latin-1'><p>caf\xe9", "café"),
        ("text/plain", b"", "(empty)"),
    ],
    ids=range(9),
)
async def test_texts_are_decoded(internet, media_type, body, text):
    result = await internet.fetch(internet.url(f"/typed?type={media_type}&hex={body.hex()}"))
    assert result.text.endswith("\n\n" + text)


@pytest.mark.parametrize(
    "path", ["/typed?type=image/png&hex=89504e", "/typed?type=text/plain&hex=610061", "/untyped"]
)
async def test_binary_answers_are_refused(internet, path):
    with pytest.raises(ToolError, match=r"not text|binary"):
        await internet.fetch(internet.url(path))


async def test_an_error_page_is_a_failed_result_with_its_text(internet):
    result = await internet.fetch(internet.url("/missing"))
    assert result.failed
    assert "Status: 404" in result.text
    assert "nothing here" in result.text


def test_the_policy_is_told_the_host():
    tool = FetchUrl()
    targets = tool.targets({"url": "https://Example.COM./x"}, PLACE)
    assert targets.hosts == ("example.com",)
    assert (tool.effect, tool.changes_nothing) == (Effect.AT_MOST_ONCE, False)
