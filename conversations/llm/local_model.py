"""The packaged small model, asked through its process on this machine (`local_server`), which is started on demand."""

import asyncio
import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

from django.conf import settings

from conversations.llm.chat_completions import ChatCompletionsClient, ChatServer
from conversations.llm.local_address import Address, RunFiles
from conversations.llm.wire import ModelEvent, ModelFailure, ModelRequest

LABEL = "The local model"
MOST_OUTPUT_TOKENS = 1024
START_SECONDS = 60.0
_ROOT = Path(__file__).resolve().parents[2]

# Kept so that a process of ours that has ended is reaped.
_started: list[subprocess.Popen[bytes]] = []
# Threads of one process would share the file lock, so they take turns before it.
_starting = threading.Lock()


class LocalModelClient:
    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelEvent, None]:
        """See `ModelClient.stream`. The answer is cut at 1,024 tokens: small models may never stop."""
        files = RunFiles(settings.PENGUIN_DATA_DIR)
        most = min(request.max_output_tokens or MOST_OUTPUT_TOKENS, MOST_OUTPUT_TOKENS)
        request = replace(request, max_output_tokens=most)
        for is_last in (False, True):
            address = files.address() or await asyncio.to_thread(start, files)
            files.mark_used()
            shown = False
            try:
                answer = _client(address).stream(request)
                try:
                    async for event in answer:
                        shown = True
                        yield event
                finally:
                    await answer.aclose()
                return
            except ModelFailure as failure:
                # It may have ended by itself just now, or been killed: then another one is started, once.
                if is_last or shown or failure.status is not None or files.address() == address:
                    raise


def _client(address: Address) -> ChatCompletionsClient:
    # It closes a connection behind each answer without saying so.
    server = ChatServer(f"{address.url}/v1", address.key, LABEL, headers={"Connection": "close"})
    return ChatCompletionsClient(server, "local")


def start(files: RunFiles) -> Address:
    """The address of a running process, started when there is none. Blocks until the model is loaded (1-2 s)."""
    files.make()
    with _starting, files.lock.open("a") as lock:
        os.chmod(files.lock, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        files.mark_used()  # before it starts: it ends when nobody uses it
        return files.address() or _wait_for(files, _launch(files))


def release() -> None:
    """This process will not ask any more: call at its end, so that the model's does not outlive it."""
    RunFiles(settings.PENGUIN_DATA_DIR).unmark_used()


def _launch(files: RunFiles) -> subprocess.Popen[bytes]:
    _started[:] = [process for process in _started if process.poll() is None]
    # None of our environment but what a program needs to start: the keys in it are not the model's business.
    environment = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH") if name in os.environ
    }
    with files.log.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "conversations.llm.local_server", str(files.directory.parent)],
            cwd=files.directory,
            env={**environment, "PYTHONPATH": str(_ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it is shared: no worker's Ctrl-C is meant for it
        )
    _started.append(process)
    return process


def _wait_for(files: RunFiles, process: subprocess.Popen[bytes]) -> Address:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        address = files.address()
        if address is not None and address.pid == process.pid:
            return address
        time.sleep(0.02)
    process.kill()
    process.wait()
    lines = files.log.read_text(errors="replace").strip().splitlines()
    why = f" ({lines[-1][:200]})" if lines else ""
    raise ModelFailure("provider_error", f"The local model did not start{why}.", retryable=True)
