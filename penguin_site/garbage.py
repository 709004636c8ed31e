"""The cycle collector of a process that serves: what start-up has made is not looked through again and again."""

import gc


def tune_collection() -> None:
    """To be called when all is loaded: that lives as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)
