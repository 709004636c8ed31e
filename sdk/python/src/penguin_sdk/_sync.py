"""`PenguinClient`: carries the steps out, blocking."""

import time
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from penguin_sdk import _ads
from penguin_sdk import _sync_groups as groups
from penguin_sdk._config import make_config
from penguin_sdk._debug import show_debug
from penguin_sdk._methods import blocking
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
    from concurrent.futures import Future, ThreadPoolExecutor

    import httpx

T = TypeVar("T")
# Impressions go out beside the decision, few at a time.
BACKGROUND_THREADS = 2


class PenguinClient:
    """Penguin's ads marketplace and agent server. May be used by several threads; close it, or use it in `with`.

    `api_key`: `am_...` of the marketplace, or a key of the server. With both, the latter is `chat_api_key`.
    `timeout_ms` is for each attempt; GET requests and `track_event` have `max_retries` more of them.
    """

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
        self._lock = Lock()
        self._http: httpx.Client | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._pending: set[Future[None]] = set()
        self.sessions = groups.Sessions(self._run, self._config)
        self.chat = groups.Chat(self._run, self._config)
        self.decisions = groups.Decisions(self._run, self._config)
        self.conversations = groups.Conversations(self._run, self._config)
        self.projects = groups.Projects(self._run, self._config)
        self.tasks = groups.Tasks(self._run, self._config)
        self.usage = groups.Usage(self._run, self._config)
        self.context_files = groups.ContextFiles(self._run, self._config)

    decide_from_context = blocking(_ads.decide_from_context)
    decide = blocking(_ads.decide)
    track_event = blocking(_ads.track_event)
    send_feedback = blocking(_ads.send_feedback)
    log_service_result = blocking(_ads.log_service_result)
    rate_business = blocking(_ads.rate_business)
    search = blocking(_ads.search)
    policy = blocking(_ads.policy)
    categories = blocking(_ads.categories)
    balance = blocking(_ads.balance)

    @staticmethod
    def signup(
        *,
        base_url: str | None = None,
        supabase_anon_key: str | None = None,
        timeout_ms: int = 10_000,
        **fields: Unpack[ads.SignupFields],
    ) -> ads.Signup:
        """A new agent and its keys, which are shown this once. Needs no key."""
        with PenguinClient(
            base_url=base_url, supabase_anon_key=supabase_anon_key, timeout_ms=timeout_ms
        ) as client:
            return client._run(_ads.signup(**fields))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def flush(self) -> None:
        """Waits until what goes on beside (reports of impressions) is done."""
        for future in list(self._pending):
            future.exception()

    def close(self) -> None:
        """Waits for what goes on beside, and closes the connections."""
        if self._pool:
            self._pool.shutdown()
            self._pool = None
        if self._http:
            self._http.close()
            self._http = None

    # Carrying out

    def _run(self, steps: Steps[T]) -> T:
        actions, answer = performed(steps, self._config), None
        while True:
            try:
                step = actions.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer = self._do(step)

    def _do(self, step: Step) -> Any:
        match step:
            case Request():
                return self._ask(step)
            case Pause(seconds):
                time.sleep(seconds)
            case Memory():
                return self._memory
            case Spawn(steps):
                self._spawn(steps)
        return None

    def _ask(self, request: Request) -> Outcome:
        import httpx

        with self._lock:
            http = self._http = self._http or httpx.Client()
        timeout_ms = request.timeout_ms or self._config.timeout_ms
        deadline = time.monotonic() + timeout_ms / 1000
        try:
            with http.stream(
                request.method,
                self._config.url(request.api, request.path),
                content=request.body,
                headers=headers_of(request, self._config),
                timeout=httpx.Timeout(timeout_ms / 1000, connect=self._config.timeout_ms / 1000),
            ) as response:
                content = bytearray()
                for chunk in response.iter_bytes():
                    content += chunk
                    if time.monotonic() > deadline:  # a server that drips never lets one read time out
                        return TimeoutError(timeout_ms)
        except httpx.TimeoutException:
            return TimeoutError(timeout_ms)
        except httpx.RequestError as error:
            return NetworkError(str(error) or type(error).__name__)
        return Reply(response.status_code, dict(response.headers), bytes(content))

    def _spawn(self, steps: Steps[Any]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            pool = self._pool = self._pool or ThreadPoolExecutor(BACKGROUND_THREADS, "penguin-sdk")
        future = pool.submit(self._beside, steps)
        self._pending.add(future)
        future.add_done_callback(self._pending.discard)

    def _beside(self, steps: Steps[Any]) -> None:
        try:
            self._run(steps)
        except PenguinError as error:
            log.debug("What went on beside has failed: %s", error)
