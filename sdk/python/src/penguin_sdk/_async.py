"""`AsyncPenguinClient`: carries the steps out, in asyncio."""

import time
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from penguin_sdk import _ads
from penguin_sdk import _async_groups as groups
from penguin_sdk._config import make_config
from penguin_sdk._debug import show_debug
from penguin_sdk._methods import waiting
from penguin_sdk._steps import (
    Memory,
    Outcome,
    Pause,
    Reply,
    Request,
    Spawn,
    Step,
    Steps,
    headers_of,
    log,
    performed,
)
from penguin_sdk.errors import NetworkError, PenguinError, TimeoutError
from penguin_sdk.types import ads

if TYPE_CHECKING:
    import asyncio

    import httpx

T = TypeVar("T")


class AsyncPenguinClient:
    """`PenguinClient` for asyncio: the same operations, awaited. Close it with `aclose`, or use it in `async with`."""

    def __init__(
        self,
        api_key: str | None = None,
        *,
        chat_api_key: str | None = None,
        base_url: str | None = None,
        supabase_anon_key: str | None = None,
        agent_id: str | None = None,
        timeout_ms: int = 10_000,
        max_retries: int = 2,
        reconnect_ms: int = 120_000,
        debug: bool = False,
    ) -> None:
        self._config = make_config(
            api_key=api_key,
            chat_api_key=chat_api_key,
            base_url=base_url,
            supabase_anon_key=supabase_anon_key,
            agent_id=agent_id,
            timeout_ms=timeout_ms,
            max_retries=max_retries,
            reconnect_ms=reconnect_ms,
            debug=debug,
        )
        if debug:
            show_debug()
        self._memory: dict[str, Any] = {"agent_id": agent_id} if agent_id else {}
        self._http: httpx.AsyncClient | None = None
        self._pending: set[asyncio.Task[None]] = set()
        self.sessions = groups.AsyncSessions(self._run, self._config)
        self.chat = groups.AsyncChat(self._run, self._config)
        self.decisions = groups.AsyncDecisions(self._run, self._config)
        self.conversations = groups.AsyncConversations(self._run, self._config)
        self.projects = groups.AsyncProjects(self._run, self._config)
        self.tasks = groups.AsyncTasks(self._run, self._config)
        self.usage = groups.AsyncUsage(self._run, self._config)
        self.context_files = groups.AsyncContextFiles(self._run, self._config)

    decide_from_context = waiting(_ads.decide_from_context)
    decide = waiting(_ads.decide)
    track_event = waiting(_ads.track_event)
    send_feedback = waiting(_ads.send_feedback)
    log_service_result = waiting(_ads.log_service_result)
    rate_business = waiting(_ads.rate_business)
    search = waiting(_ads.search)
    policy = waiting(_ads.policy)
    categories = waiting(_ads.categories)
    balance = waiting(_ads.balance)

    @staticmethod
    async def signup(
        *,
        base_url: str | None = None,
        supabase_anon_key: str | None = None,
        timeout_ms: int = 10_000,
        **fields: Unpack[ads.SignupFields],
    ) -> ads.Signup:
        """A new agent and its keys, which are shown this once. Needs no key."""
        async with AsyncPenguinClient(
            base_url=base_url, supabase_anon_key=supabase_anon_key, timeout_ms=timeout_ms
        ) as client:
            return await client._run(_ads.signup(**fields))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def flush(self) -> None:
        """Waits until what goes on beside (reports of impressions) is done."""
        import asyncio

        if self._pending:
            await asyncio.wait(self._pending)

    async def aclose(self) -> None:
        """Waits for what goes on beside, and closes the connections."""
        await self.flush()
        http, self._http = self._http, None
        if http:
            await http.aclose()

    # Carrying out

    async def _run(self, steps: Steps[T]) -> T:
        actions, answer = performed(steps, self._config), None
        while True:
            try:
                step = actions.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = await self._do(step)

    async def _do(self, step: Step) -> Any:
        import asyncio

        match step:
            case Request():
                return await self._ask(step)
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Memory():
                return self._memory
            case Spawn(steps):
                task = asyncio.create_task(self._beside(steps))
                self._pending.add(task)
                task.add_done_callback(self._pending.discard)
        return None

    async def _ask(self, request: Request) -> Outcome:
        import httpx

        http = self._http = self._http or httpx.AsyncClient()
        timeout_ms = request.timeout_ms or self._config.timeout_ms
        deadline = time.monotonic() + timeout_ms / 1000
        try:
            async with http.stream(
                request.method,
                self._config.url(request.api, request.path),
                content=request.body,
                headers=headers_of(request, self._config),
                timeout=httpx.Timeout(timeout_ms / 1000, connect=self._config.timeout_ms / 1000),
            ) as response:
                content = bytearray()
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if time.monotonic() > deadline:  # a server that drips never lets one read time out
                        return TimeoutError(timeout_ms)
        except httpx.TimeoutException:
            return TimeoutError(timeout_ms)
        except httpx.RequestError as error:
            return NetworkError(str(error) or type(error).__name__)
        return Reply(response.status_code, dict(response.headers), bytes(content))

    async def _beside(self, steps: Steps[Any]) -> None:
        try:
            await self._run(steps)
        except PenguinError as error:
            log.debug("What went on beside has failed: %s", error)
