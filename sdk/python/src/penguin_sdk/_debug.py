"""`debug=True`: what is asked and answered, on stderr unless the program has set up logging itself. Never a key."""

import logging

LOGGER = logging.getLogger("penguin_sdk")


def show_debug() -> None:
    LOGGER.setLevel(logging.DEBUG)
    if not LOGGER.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(message)s"))
        LOGGER.addHandler(handler)
