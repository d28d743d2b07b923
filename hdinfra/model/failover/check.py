"""What is refused of failover: every refusal at once, each with its way out."""

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches

from hdinfra.model.failover.check_monitor import check_interval, check_rto
from hdinfra.model.failover.check_steering import check_dns_only, check_steering
from hdinfra.model.failover.limits import load_limits
from hdinfra.model.failover.spec import Affinity, EndpointSpec, FailoverSpec, PoolSpec, Steering
from hdinfra.model.refusal import Refusal, RefusedError

_NAMES = "edge.duplicate-name"
_A_WAY = {"tunnel": "a tunnel", "address": "an address", "host": "a host"}


def check_failover(spec: FailoverSpec, at: str = "") -> tuple[Refusal, ...]:
    """All of it, sorted by path. `at` goes before each path, such as `failover.` where the spec is part of another."""
    found = (
        *_names(spec),
        *_ways(spec),
        *_drained(spec),
        *_fallback(spec),
        *_database(spec),
        *_counts(spec),
        *_minimum(spec),
        *check_steering(spec),
        *check_dns_only(spec),
        *check_interval(spec.monitor, spec.account_plan),
        *check_rto(spec),
    )
    return tuple(sorted(replace(refusal, path=at + refusal.path) for refusal in found))


def checked_failover(spec: FailoverSpec, at: str = "") -> FailoverSpec:
    """The spec itself; RefusedError with every refusal."""
    if found := check_failover(spec, at):
        raise RefusedError(found)
    return spec


def _names(spec: FailoverSpec) -> Iterator[Refusal]:
    pools: set[str] = set()
    for index, pool in enumerate(spec.pools):
        if pool.name in pools:
            message = f"Two pools are called `{pool.name}`; nobody could tell which one is up."
            yield Refusal(f"pools[{index}].name", _NAMES, message, f"write `name: {_free(pool.name, spec)}`")
        pools.add(pool.name)
        yield from _endpoint_names(pool, f"pools[{index}]")


def _endpoint_names(pool: PoolSpec, path: str) -> Iterator[Refusal]:
    names: set[str] = set()
    for index, endpoint in enumerate(pool.endpoints):
        if endpoint.name in names:
            message = f"Two endpoints of `{pool.name}` are called `{endpoint.name}`; their health would be one."
            fix = f"write `name: {endpoint.name[:29]}-{index + 1}`"
            yield Refusal(f"{path}.endpoints[{index}].name", _NAMES, message, fix)
        names.add(endpoint.name)


def _free(name: str, spec: FailoverSpec) -> str:
    taken = {pool.name for pool in spec.pools}
    return next(free for number in range(2, len(taken) + 3) if (free := f"{name[:29]}-{number}") not in taken)


def _ways(spec: FailoverSpec) -> Iterator[Refusal]:
    owners: dict[tuple[str, str], str] = {}
    for index, pool in enumerate(spec.pools):
        for number, endpoint in enumerate(pool.endpoints):
            kind, where = way = _way(endpoint)
            if way in owners:
                yield Refusal(
                    f"pools[{index}].endpoints[{number}].{kind}",
                    "edge.tunnel-twice",
                    f"`{where}` is already a way into pool `{owners[way]}`; what cuts it cuts both.",
                    f"give `{endpoint.name}` {_A_WAY[kind]} of its own, or drop it",
                )
            owners.setdefault(way, pool.name)


def _way(endpoint: EndpointSpec) -> tuple[str, str]:
    ways = {"tunnel": endpoint.tunnel, "address": endpoint.address, "host": endpoint.host}
    return next((kind, str(where)) for kind, where in ways.items() if where is not None)


def _drained(spec: FailoverSpec) -> Iterator[Refusal]:
    if all(pool.drained for pool in spec.pools):
        message = f"Every pool is drained ({len(spec.pools)} of {len(spec.pools)}); users would get errors."
        yield Refusal("pools", "edge.all-drained", message, f"drop `drained` of `{spec.pools[0].name}`")


def _fallback(spec: FailoverSpec) -> Iterator[Refusal]:
    serving = [pool.name for pool in spec.pools if not pool.drained] or [pool.name for pool in spec.pools]
    # Of sites that share a database the first one is where writes belong; else the last one is the last resort.
    best = serving[0] if spec.database else serving[-1]
    if spec.fallback is None:
        yield Refusal(
            "fallback",
            "edge.fallback",
            "No pool is named that takes users when every pool is down; the edge would take one without asking, well "
            "or not.",
            f"write `fallback: {best}`",
        )
        return
    pool = next((pool for pool in spec.pools if pool.name == spec.fallback), None)
    if pool is None:
        nearest = get_close_matches(spec.fallback, serving, n=1) or [best]
        message = f"`{spec.fallback}` is none of the pools, which are {', '.join(p.name for p in spec.pools)}."
        yield Refusal("fallback", "edge.fallback", message, f"write `fallback: {nearest[0]}`")
    elif pool.drained and pool.name not in serving:
        message = f"`{pool.name}` is drained, so that Cloudflare answers users with error 530 when every pool is down."
        yield Refusal("fallback", "edge.fallback", message, f"write `fallback: {best}` while `{pool.name}` is drained")


def _database(spec: FailoverSpec) -> Iterator[Refusal]:
    if not spec.database:
        return
    rule = "edge.failback-database"
    if spec.steering is not Steering.ORDER:
        message = f"`steering: {spec.steering}` sends users to several sites at once, of which one alone takes writes."
        yield Refusal("steering", rule, message, "write `steering: order`")
    if spec.affinity is not Affinity.NONE:
        message = f"`affinity: {spec.affinity}` keeps users at a site that no longer takes their writes."
        yield Refusal("affinity", rule, message, "write `affinity: none`")
    if spec.fail_back == "automatic":
        message = (
            "Users would go back as soon as the first site answers, which is before its database has caught up with "
            "what was written elsewhere."
        )
        yield Refusal("fail_back", rule, message, "write `fail_back: by-hand`, and release the latch when it has")


def _counts(spec: FailoverSpec) -> Iterator[Refusal]:
    limits = load_limits().plans[spec.account_plan]
    counts = {
        "pools": (len(spec.pools), limits.pools),
        "endpoints": (sum(len(pool.endpoints) for pool in spec.pools), limits.endpoints),
    }
    over = {kind: (count, limit) for kind, (count, limit) in counts.items() if limit is not None and count > limit}
    if over:
        found = " and ".join(f"{count} {kind}" for kind, (count, _) in over.items())
        most = " and ".join(f"{limit} {kind}" for kind, (_, limit) in over.items())
        message = f"These are {found}; plan `{spec.account_plan}` gives a whole account {most}, and no more."
        yield Refusal("pools", "edge.plan-limit", message, f"leave {most}, or write `account_plan: enterprise`")


def _minimum(spec: FailoverSpec) -> Iterator[Refusal]:
    for index, pool in enumerate(spec.pools):
        count = len(pool.endpoints)
        if pool.minimum_healthy > count:
            yield Refusal(
                f"pools[{index}].minimum_healthy",
                "edge.minimum-healthy",
                f"`{pool.name}` needs {pool.minimum_healthy} endpoints that are up and has {count}; it never is up.",
                f"write `minimum_healthy: {count}` or less, or add endpoints",
            )
