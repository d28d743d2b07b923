"""Names as clouds take them."""

import hashlib

from hdinfra.model.plan import MachinePlan


def cut(text: str, whole: str, limit: int, digits: int = 8) -> str:
    """At most `limit` characters: the start of `text`, and `digits` hexadecimal digits that stand for the `whole`.

    Also where the text would fit: ask first. `whole` is the text itself, or what else tells it from others.
    """
    digest = hashlib.sha256(whole.encode()).hexdigest()[:digits]
    return f"{text[: limit - digits - 1].rstrip('-_.')}-{digest}"


def ordinal_of(plan: MachinePlan) -> int:
    """How many of its Instance's Machines in this Cluster come before it, whoever comes or goes later."""
    _, _, number = plan.name.rpartition("-")
    return int(number) - 1 if number.isdecimal() else 0
