"""Failovers, each of which breaks one rule."""

from hdinfra.model.failover.check import checked_failover
from tests.model.failover_specs import failover
from tests.model.legal import Change, Data, setting
from tests.model.refused import RefusalCase, without

FIRST, SECOND = "pools.0", "pools.1"
COORDINATES = [setting(f"pools.{index}.{key}", 50.0) for index in (0, 1) for key in ("latitude", "longitude")]


def edge(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The pair with these changes."""
    return RefusalCase(rule, path, lambda: checked_failover(failover(*changes)))


def more_pools(count: int, endpoints: int = 1) -> Change:
    """So many pools of so many endpoints besides the two."""

    def change(data: Data) -> None:
        for index in range(count):
            ways = [{"name": f"way-{number}", "tunnel": f"more-{index}-{number}"} for number in range(endpoints)]
            data["pools"].append({"name": f"more-{index}", "endpoints": ways})

    return change


def second_way(**endpoint: object) -> Change:
    """Another endpoint of the first pool."""
    return lambda data: data["pools"][0]["endpoints"].append(endpoint)


def monitor(**keys: int) -> Change:
    """A monitor of these."""
    return setting("monitor", keys)


SHARED = (setting("database", True), setting("fail_back", "by-hand"))
DRAINED = [setting(f"pools.{index}.drained", True) for index in (0, 1)]

FAILOVER = [
    # 60 s + 5 s x 3 + 5 s = 80 s.
    edge("edge.rto", "rto_seconds", setting("rto_seconds", 79)),
    edge(
        "edge.rto",
        "rto_seconds",
        setting("rto_seconds", 80),
        setting("ttl_seconds", 1),
        *(setting(f"pools.{index}.endpoints.0", {"name": "way", "address": f"192.0.2.{index}"}) for index in (0, 1)),
    ),
    edge("edge.rto", "rto_seconds", setting("rto_seconds", 139), monitor(consecutive_down=2)),
    edge("edge.rto", "rto_seconds", setting("rto_seconds", 600), lambda data: data["pools"].pop(0)),
    edge("edge.fallback", "fallback", without("fallback")),
    edge("edge.fallback", "fallback", setting("fallback", "hetzer")),
    edge("edge.fallback", "fallback", setting(f"{SECOND}.drained", True)),
    edge("edge.failback-database", "fail_back", setting("database", True)),
    edge("edge.failback-database", "affinity", *SHARED, setting("affinity", "cookie")),
    edge("edge.failback-database", "steering", *SHARED, setting("steering", "weighted")),
    edge("edge.failback-database", "steering", *SHARED, setting("steering", "latency")),
    edge("edge.tunnel-twice", "pools[1].endpoints[0].tunnel", setting(f"{SECOND}.endpoints.0.tunnel", "on-prem")),
    edge("edge.tunnel-twice", "pools[0].endpoints[1].tunnel", second_way(name="other", tunnel="on-prem")),
    edge(
        "edge.tunnel-twice",
        "pools[1].endpoints[0].address",
        setting(f"{FIRST}.endpoints.0", {"name": "a", "address": "2001:db8::1"}),
        setting(f"{SECOND}.endpoints.0", {"name": "b", "address": "2001:db8:0::1"}),
    ),
    edge("edge.plan-limit", "pools", more_pools(19)),
    edge("edge.plan-limit", "pools", more_pools(1, endpoints=19)),
    edge("edge.interval", "monitor.interval_seconds", monitor(interval_seconds=59)),
    edge("edge.interval", "monitor.interval_seconds", setting("account_plan", "free"), monitor(interval_seconds=59)),
    edge(
        "edge.interval",
        "monitor.interval_seconds",
        setting("account_plan", "business"),
        monitor(interval_seconds=14, retries=1),
    ),
    edge(
        "edge.interval",
        "monitor.interval_seconds",
        setting("account_plan", "enterprise"),
        monitor(interval_seconds=9, retries=0),
    ),
    edge(
        "edge.interval",
        "monitor.timeout_seconds",
        setting("account_plan", "enterprise"),
        monitor(interval_seconds=10),
    ),
    edge("edge.duplicate-name", "pools[1].name", setting(f"{SECOND}.name", "on-prem"), setting("fallback", "on-prem")),
    edge("edge.duplicate-name", "pools[0].endpoints[1].name", second_way(name="rack", tunnel="other")),
    edge("edge.all-drained", "pools", *DRAINED),
    edge("edge.all-drained", "pools", *DRAINED, setting("steering", "weighted"), setting(f"{FIRST}.weight", 0)),
    edge("edge.minimum-healthy", "pools[1].minimum_healthy", setting(f"{SECOND}.minimum_healthy", 2)),
    edge(
        "edge.weights",
        "pools",
        setting("steering", "weighted"),
        *(setting(f"pools.{index}.weight", 0) for index in (0, 1)),
    ),
    edge(
        "edge.weights",
        "pools",
        setting("steering", "weighted"),
        setting(f"{FIRST}.drained", True),
        setting(f"{SECOND}.weight", 0),
    ),
    edge("edge.weights", "pools[0].endpoints", setting(f"{FIRST}.endpoints.0.weight", 0)),
    edge("edge.steering-part", "pools", setting("steering", "geo")),
    edge("edge.steering-part", "pools[0].regions", setting(f"{FIRST}.regions", ["WEU"])),
    edge("edge.steering-part", "pools[1].weight", setting(f"{SECOND}.weight", 0.5)),
    edge("edge.steering-part", "pools[0].latitude", setting(f"{FIRST}.latitude", 0)),
    edge("edge.steering-part", "pools[0].longitude", setting(f"{FIRST}.longitude", 0)),
    edge(
        "edge.steering-part",
        "pools[1].longitude",
        setting("steering", "proximity"),
        *COORDINATES,
        lambda data: data["pools"][1].pop("longitude"),
    ),
    edge(
        "edge.region-unknown",
        "pools[0].regions[1]",
        setting("steering", "geo"),
        setting(f"{FIRST}.regions", ["WEU", "EUW"]),
    ),
    edge(
        "edge.dns-only",
        "pools[1].endpoints[0].tunnel",
        setting("ttl_seconds", 30),
        setting(f"{FIRST}.endpoints.0", {"name": "way", "host": "rack.acme.test"}),
    ),
    edge(
        "edge.dns-only",
        "affinity",
        setting("ttl_seconds", 30),
        setting("affinity", "ip_cookie"),
        *(setting(f"pools.{index}.endpoints.0", {"name": "way", "host": f"{index}.acme.test"}) for index in (0, 1)),
    ),
    edge("spec.type", "pools[0].endpoints[0]", setting(f"{FIRST}.endpoints.0", {"name": "none"})),
    edge("spec.type", "monitor.expected_body", setting("monitor", {"expected_body": "ok\n"})),
    edge("spec.type", "pools", setting("pools", [])),
    edge("spec.unknown-key", "monitor.intervall_seconds", setting("monitor", {"intervall_seconds": 60})),
]
