"""The ladder: how well a command can be confined."""

from enum import StrEnum


class Level(StrEnum):
    BUBBLEWRAP = "bubblewrap"
    LANDLOCK = "landlock"  # namespaces and file rules by our own launcher
    NONE = "none"  # no command is run


# What each value of PENGUIN_SANDBOX lets be tried, the best first.
LADDERS = {
    "auto": (Level.BUBBLEWRAP, Level.LANDLOCK),
    "bubblewrap": (Level.BUBBLEWRAP,),
    "landlock": (Level.LANDLOCK,),
    "off": (),
}
