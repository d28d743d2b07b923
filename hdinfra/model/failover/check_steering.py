"""What is refused of steering: what it needs and has not, and what is written for another one and would do nothing."""

from collections.abc import Iterator
from difflib import get_close_matches

from hdinfra.model.failover.limits import load_limits
from hdinfra.model.failover.spec import Affinity, FailoverSpec, PoolSpec, Steering
from hdinfra.model.refusal import Refusal

_PART = "edge.steering-part"


def check_steering(spec: FailoverSpec) -> Iterator[Refusal]:
    """`edge.steering-part`, `edge.region-unknown` and `edge.weights`."""
    for index, pool in enumerate(spec.pools):
        yield from _other_parts(pool, spec.steering, f"pools[{index}]")
        yield from _regions(pool, f"pools[{index}]")
        yield from _endpoint_weights(pool, f"pools[{index}]")
    match spec.steering:
        case Steering.GEO:
            yield from _geo(spec)
        case Steering.PROXIMITY:
            yield from _proximity(spec)
        case Steering.WEIGHTED:
            yield from _weighted(spec)
        case Steering.ORDER | Steering.LATENCY:
            pass


def check_dns_only(spec: FailoverSpec) -> Iterator[Refusal]:
    """`edge.dns-only`: what needs the edge in the way, where users go past it."""
    if not spec.ttl_seconds:
        return
    why = f"with `ttl_seconds: {spec.ttl_seconds}` users ask names and go past the edge"
    if spec.affinity is not Affinity.NONE:
        message = f"`affinity: {spec.affinity}` needs a cookie of the edge's, and {why}; it would do nothing."
        yield Refusal("affinity", "edge.dns-only", message, "write `affinity: none`, or `ttl_seconds: 0`")
    for index, pool in enumerate(spec.pools):
        for number, endpoint in enumerate(pool.endpoints):
            if endpoint.tunnel is not None:
                yield Refusal(
                    f"pools[{index}].endpoints[{number}].tunnel",
                    "edge.dns-only",
                    f"The tunnel `{endpoint.tunnel}` is reached through the edge alone, and {why}.",
                    "write `ttl_seconds: 0`, or the endpoint's `address`",
                )


def _other_parts(pool: PoolSpec, steering: Steering, path: str) -> Iterator[Refusal]:
    written = {
        "regions": (bool(pool.regions), Steering.GEO),
        "latitude": (pool.latitude is not None, Steering.PROXIMITY),
        "longitude": (pool.longitude is not None, Steering.PROXIMITY),
        "weight": (pool.weight != 1, Steering.WEIGHTED),
    }
    for key, (given, owner) in written.items():
        if given and steering is not owner:
            message = f"`{key}` of `{pool.name}` counts with `steering: {owner}` alone; here it would do nothing."
            yield Refusal(f"{path}.{key}", _PART, message, f"drop `{key}`, or write `steering: {owner}`")


def _regions(pool: PoolSpec, path: str) -> Iterator[Refusal]:
    known = load_limits().regions
    for index, region in enumerate(pool.regions):
        if region not in known:
            nearest = get_close_matches(region, known, n=1, cutoff=0.5)
            message = f"`{region}` is none of Cloudflare's regions, which are {', '.join(known)}."
            fix = f"write `{nearest[0]}`" if nearest else f"drop `{region}`"
            yield Refusal(f"{path}.regions[{index}]", "edge.region-unknown", message, fix)


def _geo(spec: FailoverSpec) -> Iterator[Refusal]:
    if not any(pool.regions for pool in spec.pools):
        message = "No pool has `regions`, so that all users would be sent by order."
        yield Refusal("pools", _PART, message, "write `regions: [WEU]` or the like, or `steering: order`")


def _proximity(spec: FailoverSpec) -> Iterator[Refusal]:
    for index, pool in enumerate(spec.pools):
        for key, value in (("latitude", pool.latitude), ("longitude", pool.longitude)):
            if value is None:
                message = f"`{pool.name}` has no {key}, so that nobody knows who is near it."
                yield Refusal(f"pools[{index}].{key}", _PART, message, f"write `{key}: ...` in degrees")


def _weighted(spec: FailoverSpec) -> Iterator[Refusal]:
    serving = [pool for pool in spec.pools if not pool.drained]
    if serving and not any(pool.weight for pool in serving):
        message = "Every pool that is not drained has `weight: 0`; nobody would be sent anywhere."
        yield Refusal("pools", "edge.weights", message, f"write `weight: 1` for `{serving[0].name}`")


def _endpoint_weights(pool: PoolSpec, path: str) -> Iterator[Refusal]:
    if not any(endpoint.weight for endpoint in pool.endpoints):
        message = f"Every endpoint of `{pool.name}` has `weight: 0`; none would get a request."
        yield Refusal(f"{path}.endpoints", "edge.weights", message, "write `weight: 1`, or `drained: true` of the pool")
