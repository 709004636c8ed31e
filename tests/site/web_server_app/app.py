"""Run as `python -m tests.site.web_server_app.app PORT`."""

import asyncio
import signal
import sys
import threading
import time
from pathlib import Path

import django
from daphne.server import twisted_loop
from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.urls import path

TEXT = Path(__file__).read_bytes()
MEGABYTE = b"m" * 1_000_000
sockets: dict[str, int] = {"sent": 0, "closed": 0}


class Patience:
    """Waits for `seconds`, then answers."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.left = False

    async def wait(self) -> None:
        sockets["waits"] = sockets.get("waits", 0) + 1
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            sockets["cancelled"] = sockets.get("cancelled", 0) + 1
            raise
        if self.seconds == 0.5:
            raise ValueError("a secret in a wait")

    def finish(self) -> tuple[int, object]:
        if self.seconds == 0.25:
            raise ValueError("a secret at the end")
        return 200, {"thread": threading.current_thread().name, "waited": self.seconds}


def wait(request: HttpRequest) -> HttpResponse:
    response = JsonResponse({"status": "accepted"}, status=202)
    response["X-Request-Id"] = "id-of-the-first-response"
    response.waiting = Patience(float(request.GET["seconds"]))  # type: ignore[attr-defined]
    return response


def echo(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"size": len(request.body), "method": request.method, "q": request.GET.get("q")})


def facts(request: HttpRequest) -> HttpResponse:
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    return JsonResponse({"threads": threading.active_count(), "resident": resident, **sockets})


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("a secret in a view")


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(0.2)
    return HttpResponse("done")


def file(request: HttpRequest) -> HttpResponseBase:
    return FileResponse(open(__file__, "rb"), content_type="text/plain")


def endless(request: HttpRequest) -> HttpResponseBase:
    def pieces():
        for _ in range(400):
            sockets["sent"] += 1
            yield MEGABYTE

    return StreamingHttpResponse(pieces())


def cut(request: HttpRequest) -> HttpResponseBase:
    def pieces():
        yield MEGABYTE
        raise ValueError("a secret in a stream")

    return StreamingHttpResponse(pieces())


def server_error(request: HttpRequest) -> HttpResponse:
    raise ValueError("the error page itself is broken")


urlpatterns = [
    path("wait", wait),
    path("echo", echo),
    path("facts", facts),
    path("broken", broken),
    path("slow", slow),
    path("file", file),
    path("endless", endless),
    path("cut", cut),
    path("api/v1/upload", echo),
    path("api/v1/things", echo),
    path("functions/v1/decide", echo),
]
handler500 = server_error


async def socket(scope, receive, send) -> None:
    """Sends 300 MB; when that is not through after two seconds, closes with 4008."""
    await receive()
    await send({"type": "websocket.accept"})
    message = await receive()

    async def pour() -> None:
        for _ in range(300_000):
            await send({"type": "websocket.send", "text": "x" * 1000})
            sockets["sent"] += 1

    if message.get("text") == "pour":
        writer = asyncio.ensure_future(pour())
        await asyncio.wait((writer,), timeout=2)
        await send({"type": "websocket.close", "code": 4008})
        sockets["writer_waits"] = int(not (await asyncio.wait((writer,), timeout=5))[0])
        message = await receive()
    while message["type"] != "websocket.disconnect":
        if message.get("text") == "slow":
            await asyncio.sleep(0.01)
        await send({"type": "websocket.send", "text": "echo"})
        message = await receive()
    sockets["closed"] += 1


def main(port: int) -> None:
    settings.configure(
        ROOT_URLCONF="tests.site.web_server_app.app",
        SECRET_KEY="for this test",
        ALLOWED_HOSTS=["*"],
        PENGUIN_UPLOAD_MAX_BYTES=3_000_000,
        DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000,
    )
    django.setup()
    from penguin_site.web.http_handler import HttpHandler, end_waits
    from penguin_site.web.server import WebServer

    http = HttpHandler()

    async def application(scope, receive, send) -> None:
        await (http if scope["type"] == "http" else socket)(scope, receive, send)

    server = WebServer(application, host="127.0.0.1", port=port)
    asyncio.set_event_loop(twisted_loop)
    draining: list[asyncio.Task] = []

    def stop() -> None:
        end_waits()
        draining.append(twisted_loop.create_task(server.drain(seconds=3)))

    twisted_loop.add_signal_handler(signal.SIGTERM, stop)
    server.run()
    sys.exit(1 if server.listen_failure else 0)


if __name__ == "__main__":
    # Under its own name too, as URLs and views are looked up there.
    sys.modules["tests.site.web_server_app.app"] = sys.modules["__main__"]
    main(int(sys.argv[1]))
