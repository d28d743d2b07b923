"""Which pool takes users, from what probes found: one state machine for the simulator and the edge that we run.

It is Cloudflare's (developers.cloudflare.com/load-balancing, "Monitors" and "Pools"): an endpoint changes after so many
results of the other kind in a row, a pool is up while enough of its endpoints are, and users go back as soon as an
earlier pool is up. Whoever wants to keep them away from a site lets that site answer 503 (its latch), here as there.

Two things differ. Cloudflare asks from several data centres and takes what most of them say, one vantage point here;
and it counts an endpoint as down before its first result, up here (UNKNOWN says why).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Pool:
    """Endpoints that are used together, by name. `drained`: takes nobody, however well it is."""

    name: str
    endpoints: tuple[str, ...]
    minimum_healthy: int = 1
    drained: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """Pools, the preferred first. `fallback` takes users when no pool is up. `down` and `up`: results in a row."""

    pools: tuple[Pool, ...]
    fallback: str
    down: int = 1
    up: int = 1


@dataclass(frozen=True, slots=True)
class Health:
    """An endpoint's: `against` counts the newest results in a row that say the opposite of `up`."""

    up: bool = True
    against: int = 0


UNKNOWN = Health()
"""Before its first result an endpoint counts as up: an edge that starts does not switch anybody."""


@dataclass(frozen=True, slots=True)
class View:
    """What is known of endpoints, by pool and name."""

    health: Mapping[tuple[str, str], Health] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, pool: str, endpoint: str) -> Health:
        """What is known of one; UNKNOWN where nothing is."""
        return self.health.get((pool, endpoint), UNKNOWN)


def seen(order: Order, view: View, pool: str, endpoint: str, *, passed: bool) -> View:
    """The view after one more probe of an endpoint, its own retries included."""
    known = view.of(pool, endpoint)
    against = 0 if passed is known.up else known.against + 1
    if against >= (order.down if known.up else order.up):
        known, against = Health(not known.up), 0
    return View(MappingProxyType({**view.health, (pool, endpoint): Health(known.up, against)}))


def is_up(view: View, pool: Pool) -> bool:
    """Whether enough of its endpoints are up, drained or not."""
    return sum(view.of(pool.name, endpoint).up for endpoint in pool.endpoints) >= pool.minimum_healthy


def eligible(order: Order, view: View) -> tuple[str, ...]:
    """The pools that may take users, in order; the fallback alone when there is none, whatever its own health."""
    up = tuple(pool.name for pool in order.pools if is_up(view, pool) and not pool.drained)
    return up or (order.fallback,)


def chosen(order: Order, view: View) -> str:
    """The pool that takes all users where pools are used in order."""
    return eligible(order, view)[0]
