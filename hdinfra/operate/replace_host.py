"""A host moves to a spare server: decided, told, its old key withdrawn, and written down in one stroke.

Whenever this is cut off, the inventory is as it was or as it shall be, and the same order again does what is left: the
key goes first, so that where the inventory names the spare, whoever had the name before is believed no more.
"""

import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hdinfra.model.hardware.replacement import BY_LEAVE, Replacement, Wish, decide, moved
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.spec_file import parse_hardware
from hdinfra.model.yaml_text import read_text
from hdinfra.operate.control import Control
from hdinfra.operate.errors import SpecEditError, WorkspaceError
from hdinfra.operate.host_edit import move_host
from hdinfra.operate.workspace import write_atomically

Json = dict[str, Any]
Say = Callable[[str], None]
_LATE_SECONDS = 30.0
"""Three reports: a machine that was silent for longer serves nobody that we know of."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """What is to be done, before anything is: the decision, and the file's text before and after."""

    path: Path
    decision: Replacement
    before: str
    after: str

    @property
    def changes(self) -> tuple[str, ...]:
        """The lines of the file that come to be others."""
        return tuple(_changed_lines(self.before, self.after))


def ordered(path: Path, wish: Wish) -> Ordered:
    """Decide. RefusedError with every refusal, of the inventory's own shape too."""
    if unknown := sorted(wish.in_spite_of - BY_LEAVE):
        raise SpecEditError(
            f"`{unknown[0]}` has to hold.", retry=f"--in-spite-of one of: {', '.join(sorted(BY_LEAVE))}"
        )
    # Behind a link lies the file that is meant: replacing the link would leave that file old.
    path = path.resolve()
    before = read_text(path)
    spec = parse_hardware(before, str(path))
    decision = decide(spec, wish)
    after = move_host(decision)(before)
    _check_edited(after, path, moved(spec, wish))
    return Ordered(path, decision, before, after)


def carry_out(order: Ordered, control: Control | None, say: Say) -> None:
    """Withdraw the old server's key where there is a management API, then write the inventory."""
    decision = order.decision
    if decision.is_done:
        say(f"{order.path.name} has `{decision.host}` on `{decision.new}` already")
        return
    if control is not None:
        had = control.withdraw(decision.host)
        say(
            f"the key of `{decision.host}` on `{decision.old}` is refused from now on"
            if had
            else f"no machine `{decision.host}` was ever enrolled, so there is no key to withdraw"
        )
    _write(order)
    say(f"wrote {order.path.name}")


def heard_now(wish: Wish, control: Control | None) -> Wish:
    """The wish with what the management API knows of who serves."""
    if control is None:
        return wish
    told: Mapping[str, Json] = control.machines()
    serving = (name for name, one in told.items() if one["serving"] and _is_fresh(one))
    return replace(wish, serving=frozenset(serving))


def _is_fresh(told: Json) -> bool:
    seen = told.get("seen_seconds")
    return seen is not None and float(seen) <= _LATE_SECONDS


def _check_edited(after: str, path: Path, wanted: HardwareSpec) -> None:
    if parse_hardware(after, str(path)) != wanted:
        raise WorkspaceError(
            f"`{path}` is written in a way that cannot be edited safely; it is as it was.",
            retry="write `server:` of that host and `spares:` by hand, then `hdinfra hardware check`",
        )


def _write(order: Ordered) -> None:
    path = order.path
    if read_text(path) != order.before:
        raise WorkspaceError(
            f"`{path}` was changed meanwhile; it is as somebody else wrote it.", retry="the same again"
        )
    try:
        write_atomically(path, order.after, mode=stat.S_IMODE(path.stat().st_mode))
    except OSError as failed:
        raise WorkspaceError(f"`{path}` cannot be written; it is as it was.", retry="the same again") from failed


def _changed_lines(before: str, after: str) -> list[str]:
    from difflib import unified_diff  # noqa: PLC0415  a slow import for one verb

    lines = unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def as_json(order: Ordered, stack: str | None) -> Json:
    """Plain data for `--json`."""
    decision, plan = order.decision, order.decision.plan
    return {
        "host": decision.host,
        "role": decision.role,
        "from": decision.old,
        "to": decision.new,
        "done_before": decision.is_done,
        "spares": list(decision.spares),
        "disks": [disk.serial for disk in (*plan.disks, *plan.spare_disks)],
        "macs": [link.mac for link in plan.links],
        "ipv4": str(plan.network.ipv4),
        "ipv6": str(plan.network.ipv6),
        "changes": list(order.changes),
        "weaker": [{"rule": one.rule, "path": one.path, "message": one.message} for one in decision.weaker],
        "next": list(next_steps(decision, stack)),
    }


def next_steps(decision: Replacement, stack: str | None) -> tuple[str, ...]:
    """What is left for whoever ordered it."""
    if decision.is_done:
        return ()
    up = f"hdinfra up --stack {stack}" if stack else "hdinfra up"
    until = "" if stack else f"; until then the key on `{decision.old}` is believed, for no `--stack` was named"
    return (
        f"switch `{decision.old}` off and unplug its ports: two servers with the addresses of `{decision.host}` "
        "disturb each other",
        *(f"plug the cable of `{name}` into `{decision.new}`" for name in decision.batteries),
        f"`{up}` installs `{decision.new}` as `{decision.host}`, which makes a key of its own and is enrolled{until}; "
        f"its program has to name the BMC of `{decision.new}` and another `reinstall` (docs/bare-metal.md)",
        f"wipe the disks of `{decision.old}`: its key and what it kept of tenants are still on them",
        *(f"{one.rule}: {one.fix}" for one in decision.weaker),
    )
