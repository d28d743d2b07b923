"""Which pool takes users at this edge: results of probes go in, what HAProxy shall do comes out. No network here.

The state machine is hdinfra.protocol.failover, the same that the simulator runs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hdinfra.protocol.failover import Health, Order, Pool, View, chosen, is_up, seen

from .failover_policy import FailoverPolicy, Monitor
from .fields import Address
from .paths import HEALTH_HOST
from .policy import EdgeInstance, LoadBalancerPolicy

_BY_POLICY = "the policy says so"
Ups = Mapping[str, Mapping[str, bool]]
"""By Instance and machine whether it was up."""


@dataclass(frozen=True, slots=True)
class Target:
    """A machine of an Instance, and how it is asked."""

    instance: str
    pool: str
    machine: str
    address: Address
    host: str
    monitor: Monitor


@dataclass(frozen=True, slots=True)
class Switch:
    """Users of an Instance go to `after`. `died`: whether `before` is down, so that what still hangs on it is cut."""

    instance: str
    before: str
    after: str
    because: str
    died: bool


class Course:
    """What one edge knows and has chosen under one policy. `ups`: what was known before, under this or another."""

    def __init__(self, policy: LoadBalancerPolicy, failover: FailoverPolicy, ups: Ups = MappingProxyType({})) -> None:
        self.failover = failover
        self.targets = tuple(_targets(policy, failover))
        self.orders = {instance.name: _order(failover, instance) for instance in policy.instances}
        self.views = {name: _view(order, ups.get(name, {})) for name, order in self.orders.items()}
        self.chosen = {name: chosen(order, self.views[name]) for name, order in self.orders.items()}

    def hear(self, target: Target, *, passed: bool, evidence: str) -> Switch | None:
        """One result of a probe, its retries included; the switch that follows from it, if one does."""
        order, name = self.orders[target.instance], target.instance
        self.views[name] = seen(order, self.views[name], target.pool, target.machine, passed=passed)
        before, after = self.chosen[name], chosen(order, self.views[name])
        if before == after:
            return None
        self.chosen[name] = after
        return Switch(name, before, after, f"{target.machine}: {evidence}", died=not self._is_up(name, before))

    def since(self, before: Mapping[str, str]) -> tuple[Switch, ...]:
        """The switches that come of another policy alone, from what was chosen before."""
        return tuple(
            Switch(name, was, self.chosen[name], _BY_POLICY, died=False)
            for name in sorted(self.chosen)
            if (was := before.get(name, self.failover.first())) != self.chosen[name]
        )

    def ups(self) -> dict[str, dict[str, bool]]:
        """Of every machine whether it counts as up."""
        found: dict[str, dict[str, bool]] = {name: {} for name in self.orders}
        for target in self.targets:
            view = self.views[target.instance]
            found[target.instance][target.machine] = view.of(target.pool, target.machine).up
        return found

    def _is_up(self, instance: str, name: str) -> bool:
        pools = {pool.name: pool for pool in self.orders[instance].pools}
        return is_up(self.views[instance], pools[name])


def _order(failover: FailoverPolicy, instance: EdgeInstance) -> Order:
    pools = (
        Pool(
            pool.name,
            tuple(sorted(one.name for one in instance.backends if one.cluster in pool.clusters)),
            drained=pool.drained,
        )
        for pool in failover.pools
    )
    return Order(tuple(pools), failover.fallback, failover.monitor.consecutive_down, failover.monitor.consecutive_up)


def _targets(policy: LoadBalancerPolicy, failover: FailoverPolicy) -> Iterator[Target]:
    for instance in policy.instances:
        hosts = sorted(site.host for site in policy.sites if site.instance == instance.name)
        asked = failover.monitor.host or next(iter(hosts), HEALTH_HOST)
        for backend in sorted(instance.backends, key=lambda one: one.name):
            if pool := failover.pool_of(backend.cluster):
                yield Target(instance.name, pool, backend.name, backend.ipv4, asked, failover.monitor)


def _view(order: Order, ups: Mapping[str, bool]) -> View:
    known = {
        (pool.name, machine): Health(ups[machine])
        for pool in order.pools
        for machine in pool.endpoints
        if machine in ups
    }
    return View(MappingProxyType(known))
