"""From an inventory to each site's ordered shutdown and start.

Waves are apart in time, not by word of mouth: every host hears within moments that the batteries are low, each wave has
its seconds, and what has not stopped by then is killed. So the order holds when the network goes first.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from hdinfra.model.hardware.inventory import Inventory, Kind
from hdinfra.model.hardware.spec import HostSpec, NutSpec, ServiceSpec
from hdinfra.model.hardware.turns import stop_waves
from hdinfra.model.power import HALT_SECONDS, Answer, Battery, HostPower, Pace, Peer, PowerPlan, Stop, Supply, Turn

PACE = Pace()


def power_plans(inventory: Inventory, pace: Pace = PACE) -> tuple[PowerPlan, ...]:
    """One plan a site with a watched battery. The inventory is one that `checked` gave."""
    sites = dict.fromkeys(site.name for site in inventory.spec.sites)
    return tuple(plan for site in sites if (plan := power_plan(inventory, site, pace)) is not None)


def power_plan(inventory: Inventory, site: str, pace: Pace = PACE) -> PowerPlan | None:
    """That site's; None where no battery of it is watched. graphlib's CycleError where services need one another."""
    watched = watched_at(inventory, site)
    if not watched:
        return None
    where = _Site(inventory, site, watched, pace)
    return PowerPlan(site, where.waves, where.seconds + HALT_SECONDS, tuple(map(where.host, where.hosts)))


def watched_at(inventory: Inventory, site: str) -> dict[str, NutSpec]:
    """The site's batteries that somebody watches, by name."""
    return {
        ups.name: ups.nut
        for ups in inventory.spec.upss
        if ups.nut and (feed := inventory.feeds.get(ups.name)) and feed.site == site
    }


def upss_of(inventory: Inventory, device: str) -> Counter[str]:
    """Of a device's power supplies, how many hang on which UPS."""
    found = (_ups_of(inventory, feed) for feed in inventory.devices[device].feeds)
    return Counter(name for name in found if name)


def hosts_at(inventory: Inventory, site: str) -> tuple[HostSpec, ...]:
    """Hosts whose server stands there."""
    return tuple(host for host in inventory.spec.hosts if _site_of(inventory, host) == site)


def _site_of(inventory: Inventory, host: HostSpec) -> str | None:
    server = inventory.servers.get(host.server)
    return inventory.sites.get(server.rack) if server else None


def _ups_of(inventory: Inventory, feed: str | None) -> str | None:
    found = inventory.feeds.get(feed or "")
    if found is None:
        return None
    return feed if found.kind is Kind.UPS else _ups_of(inventory, found.upstream)


@dataclass(frozen=True)
class _Site:
    inventory: Inventory
    name: str
    watched: Mapping[str, NutSpec]
    pace: Pace

    @cached_property
    def hosts(self) -> tuple[HostSpec, ...]:
        return hosts_at(self.inventory, self.name)

    @cached_property
    def services(self) -> dict[str, ServiceSpec]:
        here = {host.name for host in self.hosts}
        return {one.name: one for one in self.inventory.spec.services if here.intersection(one.hosts)}

    @cached_property
    def waves(self) -> tuple[tuple[str, ...], ...]:
        # Of all services first: what stands between two of ours may be at another site.
        whole = stop_waves({service.name: service.after for service in self.inventory.spec.services})
        here = (tuple(name for name in wave if name in self.services) for wave in whole)
        return tuple(wave for wave in here if wave)

    @cached_property
    def begins(self) -> list[int]:
        """When each wave begins, and at the end when the last one is over."""
        lasts = [max(self.services[name].stop_seconds for name in wave) + self.pace.skew for wave in self.waves]
        return list(accumulate(lasts, initial=0))

    @cached_property
    def seconds(self) -> int:
        return self.begins[-1]

    def host(self, host: HostSpec) -> HostPower:
        stops = tuple(sorted(self._stops(host), key=lambda stop: (stop.at, stop.service)))
        batteries = tuple(self._batteries(host))
        return HostPower(
            name=host.name,
            ipv4=host.ipv4.ip,
            ipv6=host.ipv6.ip,
            batteries=batteries,
            supplies=tuple(self._supplies(host)),
            peers=tuple(self._peers(host)) if batteries else (),
            stops=stops,
            turns=tuple(self._turns(host)),
            off_at=self._off_at(host, stops),
            pace=self.pace,
        )

    def _off_at(self, host: HostSpec, stops: tuple[Stop, ...]) -> int:
        """Whoever has a battery's cable, or no service that anybody knows of, goes last."""
        if not stops or any(nut.host == host.name for nut in self.watched.values()):
            return self.seconds
        return min(begin for begin in self.begins if begin > stops[-1].at)

    def _stops(self, host: HostSpec) -> Iterator[Stop]:
        for begin, wave in zip(self.begins, self.waves, strict=False):
            for service in (self.services[name] for name in wave):
                if host.name in service.hosts:
                    yield Stop(service.name, begin, service.stop_seconds, service.units)

    def _turns(self, host: HostSpec) -> Iterator[Turn]:
        known = {service.name: service for service in self.inventory.spec.services}
        for name, service in sorted(self.services.items()):
            if host.name in service.hosts and service.units:
                answers = tuple(answer for other in service.after for answer in _answers(known[other]))
                yield Turn(name, service.units, answers)

    def _batteries(self, host: HostSpec) -> Iterator[Battery]:
        for name, nut in sorted(self.watched.items()):
            if nut.host == host.name:
                yield Battery(name, nut.driver.value, nut.port, nut.serial, nut.low_seconds)

    def _supplies(self, host: HostSpec) -> Iterator[Supply]:
        for name, psus in sorted(upss_of(self.inventory, host.server).items()):
            if nut := self.watched.get(name):
                keeper = self.inventory.hosts[nut.host]
                yield Supply(name, psus, keeper.name, keeper.ipv4.ip, keeper.ipv6.ip, nut.restart_percent)

    def _peers(self, host: HostSpec) -> Iterator[Peer]:
        own = {name for name, nut in self.watched.items() if nut.host == host.name}
        for other in self.hosts:
            if other.name != host.name and own.intersection(upss_of(self.inventory, other.server)):
                yield Peer(other.name, other.ipv4.ip, other.ipv6.ip)


def _answers(service: ServiceSpec) -> Iterator[Answer]:
    for listener in service.listeners:
        addresses = tuple(str(address) for address in (listener.ipv6, listener.ipv4) if address)
        if addresses:
            yield Answer(listener.port, addresses)
