"""The edge's pools in order: every Cluster that serves is in exactly one, and each pool can serve everything."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from hdinfra.model.failover.edge import EdgeFailoverSpec
from hdinfra.model.numbering import Seat
from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import ZoneSpec

_AT = "edge.failover"


def check_pools(spec: ZoneSpec) -> Iterator[Refusal]:
    """`edge.pool-clusters`, `edge.duplicate-name`, `edge.all-drained`, `edge.fallback`."""
    failover = spec.edge.failover if spec.edge else None
    if failover is None:
        return
    yield from _clusters(failover, [cluster.name for cluster in spec.clusters])
    yield from _names(failover)
    yield from _fallback(failover)


def check_pool_machines(spec: ZoneSpec, seats: Sequence[Seat]) -> Iterator[Refusal]:
    """`edge.pool-machines`: each Instance with sites has Machines in each pool, and none outside all of them."""
    failover = spec.edge.failover if spec.edge else None
    for instance in spec.instances if failover else ():
        if failover is None or not any(tenant.sites for tenant in instance.tenants):
            continue
        places = sorted({seat.place for seat in seats if seat.instance == instance.name})
        for index, pool in enumerate(failover.pools):
            if not set(places) & set(pool.clusters):
                message = (
                    f"`{instance.name}` has no Machine in pool `{pool.name}`; users who are sent there find nobody."
                )
                fix = (
                    f"add a Cluster of {', '.join(places)} to it, or `{pool.clusters[0]}` to the Instance's `clusters`"
                )
                yield Refusal(f"{_AT}.pools[{index}].clusters", "edge.pool-machines", message, fix)
        outside = [place for place in places if not any(place in pool.clusters for pool in failover.pools)]
        if outside:
            message = f"`{instance.name}` has Machines in {', '.join(outside)}, which are in no pool and serve nobody."
            fix = f"add `{outside[0]}` to one of the pools"
            yield Refusal(f"{_AT}.pools", "edge.pool-machines", message, fix)


def _clusters(failover: EdgeFailoverSpec, known: Sequence[str]) -> Iterator[Refusal]:
    holders: dict[str, str] = {}
    for index, pool in enumerate(failover.pools):
        for number, cluster in enumerate(pool.clusters):
            path = f"{_AT}.pools[{index}].clusters[{number}]"
            if cluster not in known:
                nearest = get_close_matches(cluster, known, n=1, cutoff=0.0)
                message = (
                    f"Pool `{pool.name}` names Cluster `{cluster}`, but the Zone has {', '.join(known) or 'none'}."
                )
                fix = f"write `{nearest[0]}`, or add `{cluster}` to `clusters`" if nearest else "add a Cluster"
                yield Refusal(path, "edge.pool-clusters", message, fix)
            elif cluster in holders:
                message = (
                    f"Cluster `{cluster}` is in pool `{holders[cluster]}` already; whoever takes it down takes both."
                )
                yield Refusal(path, "edge.pool-clusters", message, f"leave `{cluster}` out of one of the two")
            holders.setdefault(cluster, pool.name)


def _names(failover: EdgeFailoverSpec) -> Iterator[Refusal]:
    names: set[str] = set()
    for index, pool in enumerate(failover.pools):
        if pool.name in names:
            message = f"Two pools are called `{pool.name}`; nobody could tell which one is up."
            fix = f"write `name: {pool.name[:29]}-{index + 1}`"
            yield Refusal(f"{_AT}.pools[{index}].name", "edge.duplicate-name", message, fix)
        names.add(pool.name)


def _fallback(failover: EdgeFailoverSpec) -> Iterator[Refusal]:
    """Its health is ignored, so somebody has to have chosen it (requirement E11)."""
    names = [pool.name for pool in failover.pools]
    serving = [pool.name for pool in failover.pools if not pool.drained]
    best = (serving or names)[-1]
    if not serving:
        message = f"All {len(names)} pools are drained; whoever comes is sent to the fallback, well or not."
        yield Refusal(f"{_AT}.pools", "edge.all-drained", message, f"drop `drained` of `{names[0]}`")
    if failover.fallback is None:
        message = "No pool is named that takes users when every pool is down; the edge would take one without asking."
        yield Refusal(f"{_AT}.fallback", "edge.fallback", message, f"write `fallback: {best}`")
    elif failover.fallback not in names:
        message = f"`{failover.fallback}` is none of the pools, which are {', '.join(names)}."
        yield Refusal(f"{_AT}.fallback", "edge.fallback", message, f"write `fallback: {best}`")
    elif serving and failover.fallback not in serving:
        message = f"`{failover.fallback}` is drained, and would take users all the same when every pool is down."
        yield Refusal(f"{_AT}.fallback", "edge.fallback", message, f"write `fallback: {best}`")
