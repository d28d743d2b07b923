"""The ways in which a drill breaks machines."""

from enum import StrEnum


class How(StrEnum):
    """What happens to the machines: SIGKILL, frozen (no RST), or their network cut."""

    KILL = "kill"
    FREEZE = "freeze"
    UNPLUG = "unplug"
