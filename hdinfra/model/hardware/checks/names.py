"""Every name is one thing's alone, and every reference leads to a thing of the right kind at the right place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from hdinfra.model.hardware.inventory import Inventory
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.refusal import Refusal

_Named = tuple[str, str]
"""Path and name."""


@dataclass(frozen=True, slots=True)
class _Reference:
    path: str
    name: str
    what: str
    known: frozenset[str]


def check_names(spec: HardwareSpec) -> Iterator[Refusal]:
    """`hardware.duplicate-name`, `hardware.name-unknown`, `hardware.server-taken`."""
    yield from _twice(_things(spec), "Two things in these racks are")
    yield from _twice(_each("hosts", [host.name for host in spec.hosts]), "Two hosts are")
    yield from _twice(_each("services", [service.name for service in spec.services]), "Two services are")
    yield from (_unknown(reference) for reference in _references(spec) if reference.name not in reference.known)
    yield from _taken(spec)


def check_places(inventory: Inventory) -> Iterator[Refusal]:
    """`hardware.same-site`: what is plugged in is plugged in where it stands."""
    spec = inventory.spec
    for index, pdu in enumerate(spec.pdus):
        yield from _far(f"pdus[{index}].feed", inventory.sites.get(pdu.rack), pdu.feed, _feed_site(inventory, pdu.feed))
    for device in inventory.devices.values():
        site = inventory.site_of(device.name)
        for index, feed in enumerate(device.feeds):
            yield from _far(f"{device.path}.psus[{index}].feed", site, feed, _feed_site(inventory, feed))
    for index, server in enumerate(spec.servers):
        for number, nic in enumerate(server.nics):
            there = inventory.site_of(nic.switch) if nic.switch in inventory.devices else None
            path = f"servers[{index}].nics[{number}].switch"
            yield from _far(path, inventory.sites.get(server.rack), nic.switch, there)


def _feed_site(inventory: Inventory, feed: str) -> str | None:
    return inventory.feeds[feed].site if feed in inventory.feeds else None


def _far(path: str, here: str | None, name: str, there: str | None) -> Iterator[Refusal]:
    if here and there and here != there:
        message = (
            f"This stands at site `{here}` and `{name}` at `{there}`; no such cable reaches from one to the other."
        )
        yield Refusal(path, "hardware.same-site", message, f"write the name of something at `{here}`")


def _each(path: str, names: Sequence[str], suffix: str = ".name") -> Iterator[_Named]:
    return ((f"{path}[{index}]{suffix}", name) for index, name in enumerate(names))


def _things(spec: HardwareSpec) -> Iterator[_Named]:
    yield from _each("sites", [site.name for site in spec.sites])
    for index, site in enumerate(spec.sites):
        yield from _each(f"sites[{index}].halls", [hall.name for hall in site.halls])
        for number, hall in enumerate(site.halls):
            yield from _each(f"sites[{index}].halls[{number}].racks", hall.racks, "")
    for key in ("chains", "upss", "pdus", "routers", "switches", "servers"):
        yield from _each(key, [thing.name for thing in getattr(spec, key)])


def _twice(named: Iterator[_Named], what: str) -> Iterator[Refusal]:
    first: dict[str, str] = {}
    for path, name in named:
        if first.setdefault(name, path) != path:
            message = f"{what} called `{name}` (the other is {first[name]}); which one is meant would be a guess."
            yield Refusal(path, "hardware.duplicate-name", message, f"write `{name[:30]}2`, or another name")


def _references(spec: HardwareSpec) -> Iterator[_Reference]:
    names = _names(spec)
    chains = names["chains"]
    for index, chain in enumerate(spec.chains):
        yield _Reference(f"chains[{index}].site", chain.site, "site", names["sites"])
    for index, ups in enumerate(spec.upss):
        yield _Reference(f"upss[{index}].feed", ups.feed, "chain", chains)
        if ups.nut:
            yield _Reference(f"upss[{index}].nut.host", ups.nut.host, "host", names["hosts"])
    for index, pdu in enumerate(spec.pdus):
        yield _Reference(f"pdus[{index}].rack", pdu.rack, "rack", names["racks"])
        yield _Reference(f"pdus[{index}].feed", pdu.feed, "UPS or chain", names["upss"] | chains)
    yield from _of_devices(spec, names)
    for index, name in enumerate(spec.spares):
        yield _Reference(f"spares[{index}]", name, "server", names["servers"])
    for index, shelf in enumerate(spec.shelf):
        yield _Reference(f"shelf[{index}].site", shelf.site, "site", names["sites"])
    for index, host in enumerate(spec.hosts):
        yield _Reference(f"hosts[{index}].server", host.server, "server", names["servers"])
    for index, service in enumerate(spec.services):
        for number, name in enumerate(service.hosts):
            yield _Reference(f"services[{index}].hosts[{number}]", name, "host", names["hosts"])
        for number, name in enumerate(service.after):
            yield _Reference(f"services[{index}].after[{number}]", name, "service", names["services"])


def _of_devices(spec: HardwareSpec, names: Mapping[str, frozenset[str]]) -> Iterator[_Reference]:
    feeds = names["pdus"] | names["upss"] | names["chains"]
    for key in ("routers", "switches", "servers"):
        for index, device in enumerate(getattr(spec, key)):
            yield _Reference(f"{key}[{index}].rack", device.rack, "rack", names["racks"])
            for number, psu in enumerate(device.psus):
                yield _Reference(f"{key}[{index}].psus[{number}].feed", psu.feed, "PDU, UPS or chain", feeds)
    onwards = names["routers"] | names["switches"]
    for index, switch in enumerate(spec.switches):
        for number, name in enumerate(switch.uplinks):
            yield _Reference(f"switches[{index}].uplinks[{number}]", name, "router or switch", onwards)
    for index, server in enumerate(spec.servers):
        for number, nic in enumerate(server.nics):
            yield _Reference(f"servers[{index}].nics[{number}].switch", nic.switch, "switch", names["switches"])


def _names(spec: HardwareSpec) -> dict[str, frozenset[str]]:
    keys = ("sites", "chains", "upss", "pdus", "routers", "switches", "servers", "hosts", "services")
    found = {key: frozenset(thing.name for thing in getattr(spec, key)) for key in keys}
    return {**found, "racks": frozenset(rack for rack, _, _ in spec.racks())}


def _unknown(reference: _Reference) -> Refusal:
    nearest = get_close_matches(reference.name, sorted(reference.known), n=1, cutoff=0.0)
    message = f"No {reference.what} is called `{reference.name}`; nothing would be there."
    fix = f"write `{nearest[0]}`, or add `{reference.name}`" if nearest else f"add `{reference.name}`"
    return Refusal(reference.path, "hardware.name-unknown", message, fix)


def _taken(spec: HardwareSpec) -> Iterator[Refusal]:
    holders: dict[str, str] = {}
    used = {host.server for host in spec.hosts}
    idle = sorted({server.name for server in spec.servers} - used - set(spec.spares))
    fix = f"write `server: {idle[0]}`, which is idle" if idle else "write the name of a server that is idle, or add one"
    for index, host in enumerate(spec.hosts):
        first = holders.setdefault(host.server, host.name)
        if first != host.name:
            message = f"`{host.server}` is `{first}` already; it cannot be `{host.name}` as well."
            yield Refusal(f"hosts[{index}].server", "hardware.server-taken", message, fix)
    for index, name in enumerate(spec.spares):
        if name in holders:
            message = f"`{name}` is a spare, and it is `{holders[name]}` too; it could not take over for another one."
            yield Refusal(f"spares[{index}]", "hardware.server-taken", message, f"take `{name}` out of `spares`")
