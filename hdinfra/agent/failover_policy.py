"""Pools of Clusters in order, as policy has them for the edge, and which backends of HAProxy come of them."""

import hashlib
import re
from dataclasses import dataclass

from .fields import Field, PolicyError, between, boolean, host, many, matching, name, record

_PATH = re.compile(r"/[A-Za-z0-9._~/-]{0,200}\Z")
_BODY = re.compile(r"[A-Za-z0-9 ._:-]{0,100}\Z")
_MOST_POOLS, _MOST_CLUSTERS = 16, 64


@dataclass(frozen=True, slots=True)
class Monitor:
    """How machines of a pool are probed. `host`: None for one of the Instance's own sites. `expected_body`: what the
    answer must contain, whatever its case. `retries`: tries again at once of a probe that had no answer."""

    path: str
    expected_status: int
    expected_body: str
    interval_seconds: int
    timeout_seconds: int
    retries: int
    consecutive_down: int
    consecutive_up: int
    host: str | None = None


@dataclass(frozen=True, slots=True)
class FailoverPool:
    """Clusters whose machines take users together, unless it is `drained`."""

    name: str
    clusters: tuple[str, ...]
    drained: bool


@dataclass(frozen=True, slots=True)
class FailoverPolicy:
    """Pools in order; `fallback` takes users when none is up, whatever its own health."""

    pools: tuple[FailoverPool, ...]
    fallback: str
    monitor: Monitor

    @property
    def key(self) -> str:
        """Changes with the pools' names, so that a choice among others is never taken for one among these."""
        return hashlib.sha256(",".join(sorted(pool.name for pool in self.pools)).encode()).hexdigest()[:8]

    def pool_of(self, cluster: str) -> str | None:
        """The pool of a Cluster's machines; None where it is in none."""
        return next((pool.name for pool in self.pools if cluster in pool.clusters), None)

    def first(self) -> str:
        """The pool that takes users before anything was seen."""
        return next((pool.name for pool in self.pools if not pool.drained), self.fallback)


def group_of(instance: str, pool: str) -> str:
    """What the backends of an Instance's pool are called, but for their ends."""
    return f"{instance}.{pool}"


_times = between(1, 10)
_FAILOVER: Field = record(
    FailoverPolicy,
    {
        "pools": many(
            record(FailoverPool, {"name": name, "clusters": many(name, _MOST_CLUSTERS), "drained": boolean}),
            _MOST_POOLS,
        ),
        "fallback": name,
        "monitor": record(
            Monitor,
            {
                "path": matching(_PATH, "a path of letters, digits and ._~/-"),
                "expected_status": between(200, 599),
                "expected_body": matching(_BODY, "a short text of letters, digits, spaces and ._:-"),
                "interval_seconds": between(1, 3_600),
                "timeout_seconds": _times,
                "retries": between(0, 5),
                "consecutive_down": _times,
                "consecutive_up": _times,
            },
            later={"host": host},
        ),
    },
)


def failover_policy(value: object, path: str) -> FailoverPolicy:
    """Read it; PolicyError unless each pool has a name and Clusters of its own and the fallback is one of them."""
    found: FailoverPolicy = _FAILOVER(value, path)
    names = [pool.name for pool in found.pools]
    clusters = [cluster for pool in found.pools for cluster in pool.clusters]
    for what in (names, clusters):
        if twice := sorted({one for one in what if what.count(one) > 1}):
            raise PolicyError(f"{path}: {twice} occur more than once")
    if not all(pool.clusters for pool in found.pools) or found.fallback not in names:
        raise PolicyError(f"{path}: a pool has no clusters, or the fallback {found.fallback!r} is no pool")
    return found
