"""What the sandbox costs a command: `sh -c true` in it and without it, one after another, at both levels.

    python -m benchmarks sandbox

The bar is for the level that this machine takes by itself; the others are only stated.
"""

import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "penguin_site.settings")

from benchmarks.report import Figure, percentile

ROUNDS = 60
REPEATS = 3
BAR_MS = 15.0
# As real commands come: not back to back, which the kernel makes cheaper.
_PAUSE_SECONDS = 0.05
_COMMAND = ["/bin/sh", "-c", "true"]


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="penguin-sandbox-") as folder:
        os.environ["PENGUIN_DATA_DIR"] = str(Path(folder) / "data")
        root = Path(folder).resolve() / "root"
        root.mkdir()
        return asyncio.run(_compare(root))


async def _compare(root: Path) -> list[Figure]:
    from conversations.sandbox import Level, command, detection, level
    from conversations.sandbox.confined import confine
    from conversations.sandbox.limits import limits_for

    where = command.box_for(root, ".", network=False)

    async def sandboxed(at: Level) -> None:
        confined = await confine(_COMMAND, where, limits=limits_for(20), level=at)
        while await confined.read():
            pass
        assert await confined.wait() == 0

    plain = await _times(_plain)
    figures = [Figure("sh -c true, p50", median(plain), "ms", note="no sandbox, same asyncio")]
    for candidate in (Level.BUBBLEWRAP, Level.LANDLOCK):
        if not detection.works(candidate):
            continue
        times = await _times(lambda candidate=candidate: sandboxed(candidate))
        is_ours = candidate == level()
        figures += [
            Figure(
                f"sandbox start by {candidate}, p50",
                median(times) - median(plain),
                "ms",
                bar=BAR_MS if is_ours else None,
                note=f"added to plain sh; {median(times) / median(plain):.1f} times as long",
            ),
            Figure(f"sandbox start by {candidate}, p99", percentile(times, 0.99) - median(plain), "ms"),
        ]
    return figures


async def _plain() -> None:
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={}
    )
    await process.communicate()


async def _times(once) -> list[float]:
    """Milliseconds of each round in the best of the repeats."""
    await once()
    repeats = []
    for _ in range(REPEATS):
        times = []
        for _ in range(ROUNDS):
            await asyncio.sleep(_PAUSE_SECONDS)
            started = time.perf_counter()
            await once()
            times.append((time.perf_counter() - started) * 1000)
        repeats.append(times)
    return min(repeats, key=median)
