"""Pools of the edge that we run, each of which would leave users with nobody."""

from hdinfra.model.held import Held
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.legal import Change, Data, legal, setting
from tests.model.refused import RefusalCase
from tests.strategies import wide_catalogue


def two_pools(data: Data) -> None:
    """`shop` in two Clusters, each of which is a pool."""
    data["instances"][0]["clusters"] = ["one", "two"]
    pools = [{"name": "first", "clusters": ["one"]}, {"name": "second", "clusters": ["two"]}]
    data["edge"]["failover"] = {"pools": pools, "fallback": "second"}


AT = "edge.failover"


def spec(*changes: Change) -> ZoneSpec:
    """Two Clusters that take users in order, with these changes."""
    return validated(ZoneSpec, legal(two_pools, *changes))


def pools(rule: str, path: str, *changes: Change) -> RefusalCase:
    """The same, planned."""
    return RefusalCase(
        rule,
        f"{AT}.{path}",
        lambda: plan_zone(spec(*changes), Held(), wide_catalogue(machines_per_cluster=150)),
    )


def at(path: str, value: object) -> Change:
    return setting(f"{AT}.{path}", value)


EDGE_POOLS = [
    pools("edge.pool-clusters", "pools[1].clusters[0]", at("pools.1.clusters", ["tow", "two"])),
    pools("edge.pool-clusters", "pools[1].clusters[1]", at("pools.1.clusters", ["two", "one"])),
    pools(
        "edge.pool-machines",
        "pools[1].clusters",
        at("pools.1.clusters", ["ten"]),
        at("pools.0.clusters", ["one", "two"]),
    ),
    pools(
        "edge.pool-machines",
        "pools",
        setting("instances.0.clusters", ["one", "two", "ten"]),
        setting("instances.0.capacity", 4),
    ),
    pools("edge.duplicate-name", "pools[1].name", at("pools.1.name", "first"), at("fallback", "first")),
    pools("edge.all-drained", "pools", at("pools.0.drained", True), at("pools.1.drained", True)),
    pools("edge.fallback", "fallback", at("fallback", None)),
    pools("edge.fallback", "fallback", at("fallback", "third")),
    pools("edge.fallback", "fallback", at("pools.1.drained", True)),
    pools("spec.type", "monitor.interval_seconds", at("monitor", {"interval_seconds": 0})),
]
