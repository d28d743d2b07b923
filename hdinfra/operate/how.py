"""The ways in which a drill breaks machines."""

from enum import StrEnum


class How(StrEnum):
    """What happens to the machines: SIGKILL, frozen (no RST), or their network cut."""

    KILL = "kill"
    FREEZE = "freeze"
    UNPLUG = "unplug"


class Poison(StrEnum):
    """What is bad about a policy that every checker accepts: a site answers 5xx, or the App dies of it."""

    ERRORS = "errors"
    CRASH = "crash"
