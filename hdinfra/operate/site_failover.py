"""Cut one site off and see how soon every edge sends its users to another one; then plug it in and see them back.

What is measured is compared with the worst case that the spec's monitor allows (hdinfra/model/failover/timing.py).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.model.failover.edge import EdgeFailoverSpec, worst_case_of_edge
from hdinfra.operate.at_once import each
from hdinfra.operate.containers import Containers
from hdinfra.operate.errors import NotServingError
from hdinfra.operate.faults import cut_off
from hdinfra.operate.status import Declared
from hdinfra.operate.waiting import seconds_until

_WELL_SECONDS = 60.0
_LOOK_SECONDS = 1.0
"""Edges write down when they switched, so nothing is measured by looking; a look starts a program on each of them, and
many of them would be a load of their own just when all users come to one site."""
_LATE_SECONDS = 30.0
"""How much later than allowed a switch is still waited for: a broken bound is measured, not guessed."""

View = Mapping[str, Any]
Switch = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SiteSwitch:
    """One cut. Seconds of the slowest edge: from the cut of the pool's last machine until HAProxy had the other pool,
    and from the moment when it was plugged in until users were back; None where that never came."""

    pool: str
    other: str | None
    seconds: float | None
    bound_seconds: float
    back_seconds: float | None
    back_bound_seconds: float

    @property
    def kept(self) -> bool:
        """Whether the switch came within its worst case."""
        return self.seconds is not None and self.seconds <= self.bound_seconds


@dataclass(frozen=True, slots=True)
class Sites:
    """A running zone whose edge has pools in order; NotServingError for one that has none."""

    known: Declared
    containers: Containers

    @property
    def failover(self) -> EdgeFailoverSpec:
        """As the stack has it."""
        if not self.known.failover:
            raise NotServingError("This zone's edge has no pools in order (`edge.failover`), so no site can fail over.")
        return EdgeFailoverSpec.model_validate(self.known.failover)

    @property
    def first(self) -> str:
        """The pool that takes users while all is well."""
        return next(pool.name for pool in self.failover.pools if not pool.drained)

    def views(self) -> list[View | None]:
        """What each edge says of its pools; None where it says nothing."""
        told = each(self.containers.hdctl_status, self.known.edge_containers)
        return [status.get("failover") if status else None for status in told]

    def machines(self, pool: str) -> tuple[str, ...]:
        """Containers of all that stands in the pool's Clusters, API machines among them."""
        return tuple(name for cluster in self._clusters(pool) for name in self.known.machines_of(cluster))

    def servers(self, pool: str) -> tuple[str, ...]:
        """Containers of those that serve users there."""
        own = [cluster for cluster in self.known.clusters if cluster["name"] in self._clusters(pool)]
        return tuple(machine["container"] for cluster in own for machine in cluster["machines"])

    def _clusters(self, pool: str) -> tuple[str, ...]:
        return next(one.clusters for one in self.failover.pools if one.name == pool)


def switch_once(sites: Sites, say: Callable[[str], None]) -> SiteSwitch:
    """Cut the first pool off once. It is plugged in again also when this is interrupted."""
    pool, bound = sites.first, worst_case_of_edge(sites.failover)
    if seconds_until(lambda: all(_is_well(view, pool) for view in sites.views()), within=_WELL_SECONDS) is None:
        raise NotServingError(
            f"Not every edge sends its users to `{pool}`, or some machine is down; a drill would prove nothing.",
            running="the whole zone",
            retry="hdctl status on the edges shows what is down",
        )
    with cut_off(sites.containers, sites.machines(pool)) as cut:
        at = max(cut[name] for name in sites.servers(pool))
        say(f"cut `{pool}` off: {', '.join(cut)}")
        moved = _seen(sites, lambda view: _last(view, pool, "from", at), bound.recover_seconds)
    healed = time.time()
    say(f"plugged `{pool}` in again")
    back_bound = bound.fail_back_seconds or 0
    back = _seen(sites, lambda view: _last(view, pool, "to", at), back_bound)
    return SiteSwitch(
        pool=pool,
        other=str(moved[0]["to"]) if moved else None,
        seconds=_slowest(moved, at),
        bound_seconds=bound.recover_seconds,
        back_seconds=_slowest(back, healed),
        back_bound_seconds=back_bound,
    )


def _is_well(view: View | None, pool: str) -> bool:
    """Users are at that pool, and every machine of every pool passes."""
    return bool(view and set(view["chosen"].values()) == {pool} and all(machine["up"] for machine in view["machines"]))


def _seen(sites: Sites, switch_of: Callable[[View | None], Switch | None], bound: float) -> list[Switch]:
    """The switch at every edge, once all have it; nothing when not all had it long after the bound."""
    found: list[Switch | None] = []

    def all_have() -> bool:
        found[:] = [switch_of(view) for view in sites.views()]
        return bool(found) and None not in found

    waited = seconds_until(all_have, within=bound + _LATE_SECONDS, every=_LOOK_SECONDS)
    return [] if waited is None else [switch for switch in found if switch is not None]


def _last(view: View | None, pool: str, side: str, since: float) -> Switch | None:
    """The slowest Instance's switch from or to the pool, once all Instances are where that leads."""
    if not view or (pool in view["chosen"].values()) is not (side == "to"):
        return None
    newer = [switch for switch in view["switches"] if switch[side] == pool and switch["at"] >= since]
    return newer[-1] if len({switch["instance"] for switch in newer}) == len(view["chosen"]) else None


def _slowest(switches: list[Switch], since: float) -> float | None:
    return round(max(0.0, *(switch["at"] - since for switch in switches)), 3) if switches else None
