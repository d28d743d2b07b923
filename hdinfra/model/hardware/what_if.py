"""What is left of every service when parts are taken away: hosts with power, with a way out, with their data.

A bond of two ports (active-backup, or 802.3ad) fails over when a link goes down, not when the way behind a live switch
is lost. So a host counts as reachable when at least one of its links is up and every one that is up leads out.
A processor takes its server down, whatever their number: with several it starts again, but it does go down.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from hdinfra.model.hardware.inventory import Device, Inventory, Kind, Part, cpu_parts, disk_parts, nic_parts
from hdinfra.model.hardware.spec import ServerSpec
from hdinfra.model.hardware.ways import leading_out

_ONE_HOSTS = frozenset({Kind.DISK, Kind.CPU, Kind.PSU, Kind.NIC, Kind.SERVER})


@dataclass(frozen=True, slots=True)
class Host:
    """One host's condition."""

    powered: bool
    reachable: bool
    has_data: bool

    @property
    def serves(self) -> bool:
        """All that it takes."""
        return self.powered and self.reachable and self.has_data


@dataclass(frozen=True, slots=True)
class Standing:
    """One service's condition: of its hosts, how many have power, are reachable as well, and serve."""

    service: str
    needs: int
    powered: int
    reachable: int
    serving: int

    @property
    def headroom(self) -> int:
        """How many more hosts may go; below zero the service is down."""
        return self.serving - self.needs

    @property
    def stands(self) -> bool:
        """Whether enough hosts serve."""
        return self.headroom >= 0


class WhatIf:
    """Answers for one inventory whose names all lead somewhere."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._racks = _by_rack(inventory)
        self._insides = {server.name: _inside(server) for server in inventory.spec.servers}
        self._members = [(one.name, one.needs, sorted(set(one.hosts))) for one in inventory.spec.services]
        self._hosts_on = {host.server: host.name for host in inventory.spec.hosts}
        whole = _Left(inventory, self._insides, frozenset())
        self._exits = leading_out(inventory, whole.lives)
        self._whole = self._look(whole, self._exits, inventory.hosts)
        self._standings, self._lost = self._counted(self._whole), _idle(self._whole)

    def parts(self) -> Iterator[Part]:
        """Every single thing of the inventory, and every place and manufacturer as a whole."""
        inventory = self.inventory
        for server in inventory.spec.servers:
            yield from (*disk_parts(server), *cpu_parts(server), *nic_parts(server))
        for device in inventory.devices.values():
            yield from (*device.psus, device.part)
        yield from (feed.part(name) for name, feed in inventory.feeds.items())
        operators = {operator for router in inventory.spec.routers for operator in router.upstreams}
        yield from (Part(Kind.OPERATOR, name) for name in sorted(operators))
        manufacturers = {device.manufacturer for device in inventory.network}
        yield from (Part(Kind.MANUFACTURER, name) for name in sorted(manufacturers))
        yield from (Part(Kind.RACK, name) for name in inventory.sites)
        yield from (Part(Kind.HALL, hall.name) for site in inventory.spec.sites for hall in site.halls)
        yield from (Part(Kind.SITE, site.name) for site in inventory.spec.sites)

    def without(self, *parts: Part) -> tuple[Standing, ...]:
        """Every service when all these parts are gone at once."""
        return self.standings(self.hosts_without(*parts))

    def standings(self, hosts: Mapping[str, Host]) -> tuple[Standing, ...]:
        """Every service when its hosts are in that condition."""
        return self._standings if hosts is self._whole else self._counted(hosts)

    def lost(self, hosts: Mapping[str, Host]) -> int:
        """How many of all hosts serve nobody in that condition."""
        return self._lost if hosts is self._whole else _idle(hosts)

    def hosts_without(self, *parts: Part) -> Mapping[str, Host]:
        """Every host when all these parts are gone at once."""
        if all(part.kind in _ONE_HOSTS and (part.owner or part.name) in self._insides for part in parts):
            return self._without_own(parts)
        left = _Left(self.inventory, self._insides, self._gone(parts))
        return self._look(left, leading_out(self.inventory, left.lives), self.inventory.hosts)

    def _without_own(self, parts: Iterable[Part]) -> Mapping[str, Host]:
        # What is a server's own concerns its host alone; of thousands, none of the others is asked.
        own = {part.owner or part.name for part in parts} & self._hosts_on.keys()
        left = _Left(self.inventory, self._insides, self._gone(parts))
        found = self._look(left, self._exits, [self._hosts_on[name] for name in own])
        changed = {name: host for name, host in found.items() if host != self._whole[name]}
        return {**self._whole, **changed} if changed else self._whole

    def _counted(self, hosts: Mapping[str, Host]) -> tuple[Standing, ...]:
        return tuple(
            _standing(name, needs, [hosts[host] for host in members]) for name, needs, members in self._members
        )

    def _look(self, left: "_Left", exits: frozenset[str], names: Iterable[str]) -> dict[str, Host]:
        inventory = self.inventory
        return {name: left.host(inventory.hosts[name].server, exits) for name in names}

    def _gone(self, parts: Iterable[Part]) -> frozenset[Part]:
        return frozenset(part for whole in parts for part in (whole, *self._in(whole)))

    def _in(self, part: Part) -> Iterator[Part]:
        inventory = self.inventory
        match part.kind:
            case Kind.CPU:
                yield Part(Kind.SERVER, part.owner)
            case Kind.MANUFACTURER:
                yield from (one.part for one in inventory.devices.values() if one.manufacturer == part.name)
            case Kind.RACK:
                yield from self._racks[part.name]
            case Kind.HALL:
                for rack, hall in inventory.halls.items():
                    yield from self._racks[rack] if hall == part.name else ()
            case Kind.SITE:
                for rack, site in inventory.sites.items():
                    yield from self._racks[rack] if site == part.name else ()
                yield from (feed.part(name) for name, feed in inventory.feeds.items() if feed.site == part.name)
            case _:
                pass


@dataclass(frozen=True, slots=True)
class _Inside:
    """A server's disks, and its ports with the switch of each."""

    disks: tuple[Part, ...]
    ports: tuple[tuple[Part, Part], ...]


def _inside(server: ServerSpec) -> _Inside:
    switches = (Part(Kind.SWITCH, nic.switch) for nic in server.nics)
    return _Inside(disk_parts(server), tuple(zip(nic_parts(server), switches, strict=True)))


def _by_rack(inventory: Inventory) -> dict[str, list[Part]]:
    racks: dict[str, list[Part]] = {rack: [] for rack in inventory.sites}
    for device in inventory.devices.values():
        racks[device.rack].append(device.part)
    for name, feed in inventory.feeds.items():
        if feed.rack is not None:
            racks[feed.rack].append(feed.part(name))
    return racks


def _idle(hosts: Mapping[str, Host]) -> int:
    return sum(not host.serves for host in hosts.values())


def _standing(service: str, needs: int, hosts: list[Host]) -> Standing:
    return Standing(
        service,
        needs,
        powered=sum(host.powered for host in hosts),
        reachable=sum(host.powered and host.reachable for host in hosts),
        serving=sum(host.serves for host in hosts),
    )


class _Left:
    """What is left of an inventory."""

    def __init__(self, inventory: Inventory, insides: Mapping[str, _Inside], gone: frozenset[Part]) -> None:
        self._inventory, self._insides, self._gone = inventory, insides, gone
        self._fed: dict[str, bool] = {}
        self._alive: dict[Part, bool] = {}

    def lives(self, part: Part) -> bool:
        """Whether a device has power, or a thing that needs none is there."""
        if part not in self._alive:
            device = self._inventory.devices.get(part.name)
            powered = device is None or device.kind is not part.kind or self._powered(device)
            self._alive[part] = powered and part not in self._gone
        return self._alive[part]

    def host(self, server: str, exits: frozenset[str]) -> Host:
        """The condition of the host on that server, when these switches lead out."""
        inside = self._insides[server]
        up = [switch.name for port, switch in inside.ports if port not in self._gone and self.lives(switch)]
        return Host(
            powered=self.lives(self._inventory.devices[server].part),
            reachable=bool(up) and exits.issuperset(up),
            has_data=any(disk not in self._gone for disk in inside.disks),
        )

    def _powered(self, device: Device) -> bool:
        return any(
            psu not in self._gone and self._is_fed(feed) for psu, feed in zip(device.psus, device.feeds, strict=True)
        )

    def _is_fed(self, name: str) -> bool:
        if name not in self._fed:
            feed = self._inventory.feeds[name]
            upstream = feed.upstream is None or self._is_fed(feed.upstream)
            self._fed[name] = upstream and feed.part(name) not in self._gone
        return self._fed[name]
