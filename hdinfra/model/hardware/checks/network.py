"""Network: two ports on two switches of two manufacturers, and two ways out from each of them."""

from collections.abc import Iterator, Sequence

from hdinfra.model.hardware.inventory import Inventory, Kind, Part
from hdinfra.model.hardware.spec import HardwareSpec, RouterSpec
from hdinfra.model.hardware.ways import leading_out
from hdinfra.model.refusal import Refusal

_MAKERS = "network.two-manufacturers"


def check_network(inventory: Inventory) -> Iterator[Refusal]:
    """`network.two-nics-two-switches`, `network.two-manufacturers`, `network.duplicate-mac`."""
    yield from _macs(inventory.spec)
    yield from _ports(inventory)
    yield from _routers(inventory)


def check_ways(inventory: Inventory) -> Iterator[Refusal]:
    """`network.two-ways-out`, `network.two-manufacturers`; of an inventory whose names all lead somewhere."""
    narrow = list(_narrow(inventory))
    yield from narrow
    if not narrow and not list(_routers(inventory)):
        yield from _crossed(inventory)


def _macs(spec: HardwareSpec) -> Iterator[Refusal]:
    holders: dict[str, str] = {}
    for index, server in enumerate(spec.servers):
        for number, nic in enumerate(server.nics):
            path = f"servers[{index}].nics[{number}].mac"
            first = holders.setdefault(nic.mac, path)
            if first != path:
                message = f"{nic.mac} is the address of {first} already; a port is in one place, and known by it."
                fix = "write what `ip -br link` shows of this port"
                yield Refusal(path, "network.duplicate-mac", message, fix)


def _ports(inventory: Inventory) -> Iterator[Refusal]:
    makers = {switch.name: switch.manufacturer for switch in inventory.spec.switches}
    for index, server in enumerate(inventory.spec.servers):
        path, switches = f"servers[{index}].nics", sorted({nic.switch for nic in server.nics})
        if not makers.keys() >= set(switches):
            continue
        if len(switches) < 2:
            count = "one port" if len(server.nics) == 1 else f"all its {len(server.nics)} ports"
            message = f"`{server.name}` has {count} on `{switches[0]}`; without that switch nobody reaches it."
            others = [name for name in sorted(makers) if makers[name] != makers[switches[0]]]
            fix = f"plug a second port into another switch{f': `switch: {others[0]}`' if others else ''}"
            yield Refusal(path, "network.two-nics-two-switches", message, fix)
        elif len({makers[name] for name in switches}) < 2:
            maker = makers[switches[0]]
            message = f"`{server.name}` is on {_listed(switches)}, all by `{maker}`; one fault of theirs stops all."
            yield Refusal(path, _MAKERS, message, _fix_ports(makers, maker))


def _fix_ports(makers: dict[str, str], maker: str) -> str:
    others = [name for name in sorted(makers) if makers[name] != maker]
    return f"plug one port into `{others[0]}`" if others else f"replace one switch by one that is not by `{maker}`"


def _routers(inventory: Inventory) -> Iterator[Refusal]:
    by_site: dict[str, list[tuple[int, RouterSpec]]] = {}
    for index, router in enumerate(inventory.spec.routers):
        by_site.setdefault(inventory.sites.get(router.rack, ""), []).append((index, router))
    for site, found in by_site.items():
        names = [router.name for _, router in found]
        last, router = found[-1]
        if len({one.manufacturer for _, one in found}) < 2:
            all_by = f"{_listed(names)}, {'all' if len(names) > 1 else 'alone, and'} by `{router.manufacturer}`"
            message = f"Site `{site}` has {all_by}; one fault of theirs cuts it off."
            fix = f"replace `{router.name}`, or add a router, by another manufacturer"
            yield Refusal(f"routers[{last}].manufacturer", _MAKERS, message, fix)


def _without(inventory: Inventory, *gone: Part) -> frozenset[str]:
    return leading_out(inventory, lambda part: part not in gone)


def _narrow(inventory: Inventory) -> Iterator[Refusal]:
    whole, devices = _without(inventory), [device.part for device in inventory.network]
    without = {part: _without(inventory, part) for part in devices}
    told: set[str] = set()
    for index, switch in _used(inventory):
        lost = [part for part in devices if part.name != switch and switch not in without[part]]
        if switch not in whole or lost:
            told.add(switch)
            yield _one_way(index, switch, lost if switch in whole else [], inventory)
    yield from _operators(inventory, told)


def _used(inventory: Inventory) -> list[tuple[int, str]]:
    used = inventory.used_switches()
    return [(index, switch.name) for index, switch in enumerate(inventory.spec.switches) if switch.name in used]


def _one_way(index: int, switch: str, lost: Sequence[Part], inventory: Inventory) -> Refusal:
    message = f"No way leads from `{switch}` over a router to a network operator; its servers reach nobody."
    if lost:
        message = (
            f"Every way out from `{switch}` is through {lost[0].kind} `{lost[0].name}`; without it its servers reach "
            "nobody, though their links stay up."
        )
    routers = ", ".join(sorted(router.name for router in inventory.spec.routers)) or "router-1, router-2"
    fix = f"lead it to two routers that have `upstreams`, such as `uplinks: [{routers}]`"
    return Refusal(f"switches[{index}].uplinks", "network.two-ways-out", message, fix)


def _operators(inventory: Inventory, told: set[str]) -> Iterator[Refusal]:
    first: dict[str, int] = {}
    for index, router in enumerate(inventory.spec.routers):
        first |= {operator: index for operator in router.upstreams if operator not in first}
    for operator, index in first.items():
        left = _without(inventory, Part(Kind.OPERATOR, operator))
        lost = [switch for _, switch in _used(inventory) if switch not in left and switch not in told]
        if lost:
            message = (
                f"Every way out from {_listed(lost[:3])} is through `{operator}`; when they fail, nobody is reached."
            )
            fix = "write a second operator into `upstreams`, of this or another router that the switches lead to"
            yield Refusal(f"routers[{index}].upstreams", "network.two-ways-out", message, fix)


def _crossed(inventory: Inventory) -> Iterator[Refusal]:
    for maker in sorted({device.manufacturer for device in inventory.network}):
        left = _without(inventory, *(one.part for one in inventory.network if one.manufacturer == maker))
        own = [router.name for router in inventory.spec.routers if router.manufacturer != maker]
        for index, switch in _used(inventory):
            if inventory.devices[switch].manufacturer != maker and switch not in left:
                message = f"Every way out from `{switch}` needs something by `{maker}`; one fault of theirs closes it."
                fix = f"add `{own[0]}` to `uplinks`" if own else f"lead it to a router that is not by `{maker}`"
                yield Refusal(f"switches[{index}].uplinks", _MAKERS, message, fix)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
