"""`make bench`: all benchmarks that have bars, one table at the end. `python -m benchmarks chat list` runs some of it.

Nothing else should run meanwhile. Without a bar, and so not in here: `model_reader` (what an event of the model costs),
`live_events` (many streams of one run), `soak` and `kill_tools` (kills without end).
"""

import sys
from collections.abc import Callable

from benchmarks import (
    ads_decide,
    ads_events,
    ads_recall,
    chat_load,
    conversation_list,
    first_token,
    idle_sockets,
    kill_worker,
    sandbox,
    tool_runs,
    transactions,
)
from benchmarks.report import Figure, show
from benchmarks.stand import stand


def chat() -> list[Figure]:
    with stand() as stack:
        return [*first_token.measure(stack), *chat_load.measure(stack)]


def sockets() -> list[Figure]:
    idle_sockets.raise_open_file_limit()
    with stand() as stack:
        return idle_sockets.measure(stack)


def kills() -> list[Figure]:
    with stand(**kill_worker.options()) as stack:
        return kill_worker.measure(stack)


def tools() -> list[Figure]:
    with stand(**tool_runs.options()) as stack:
        return tool_runs.measure(stack)


def database() -> list[Figure]:
    with stand(postgres=transactions.LOGGED) as stack:
        return transactions.measure(stack)


def conversations() -> list[Figure]:
    few, many = conversation_list.FEW, conversation_list.MANY
    with stand(workers=0) as small, stand(workers=0) as large:
        return conversation_list.measure(
            conversation_list.Reader(small, few), conversation_list.Reader(large, many)
        )


def ads() -> list[Figure]:
    with stand(workers=0, **ads_decide.LIMITS) as stack:
        figures = ads_decide.measure(stack)
        return [*figures, *ads_recall.measure(stack)]


ALL: dict[str, Callable[[], list[Figure]]] = {
    "chat": chat,
    "sockets": sockets,
    "kills": kills,
    "tools": tools,
    "database": database,
    "list": conversations,
    "sandbox": sandbox.measure,
    "ads": ads,
    "events": ads_events.measure,
}


def main() -> int:
    figures: list[Figure] = []
    for name in sys.argv[1:] or ALL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures += ALL[name]()
    show("All figures", figures)
    return int(any(figure.verdict.startswith("MISSED") for figure in figures))


if __name__ == "__main__":
    sys.exit(main())
