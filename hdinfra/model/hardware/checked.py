"""The door of an inventory: every refusal at once, or everything followed; and what is worth knowing besides."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from hdinfra.model.hardware.checks.hosts import check_hosts
from hdinfra.model.hardware.checks.layouts import check_layouts
from hdinfra.model.hardware.checks.names import check_names, check_places
from hdinfra.model.hardware.checks.network import check_network, check_ways
from hdinfra.model.hardware.checks.power import check_power
from hdinfra.model.hardware.checks.raid import check_raid
from hdinfra.model.hardware.checks.services import check_listeners, check_spread, check_ways_of_racks
from hdinfra.model.hardware.checks.spares import check_spares
from hdinfra.model.hardware.checks.ups import check_ups
from hdinfra.model.hardware.inventory import Inventory, inventory_of
from hdinfra.model.hardware.spec import HardwareSpec
from hdinfra.model.refusal import Refusal, RefusedError
from hdinfra.model.server import Bonding


@dataclass(frozen=True, order=True, slots=True)
class Remark:
    """What is allowed and yet not as it might seem."""

    path: str
    message: str


def checked(spec: HardwareSpec, in_spite_of: Collection[str] = ()) -> Inventory:
    """The inventory with its references followed. Raises RefusedError with every refusal, sorted by path.

    `in_spite_of`: rules that need not hold today, such as `spare.per-model-and-site` once the last one was taken.
    """
    inventory = inventory_of(spec)
    refusals = [*_but(in_spite_of, _by_itself(inventory))]
    # What a name that leads nowhere would break besides is no news.
    if not any(refusal.rule.startswith("hardware.") for refusal in refusals):
        refusals += _but(in_spite_of, (*check_ways(inventory), *check_spread(inventory), *check_layouts(inventory)))
    if not refusals:
        refusals += _but(in_spite_of, (*check_ways_of_racks(inventory), *check_ups(inventory)))
    if refusals:
        raise RefusedError(refusals)
    return inventory


def _but(rules: Collection[str], refusals: Iterable[Refusal]) -> Iterator[Refusal]:
    return (refusal for refusal in refusals if refusal.rule not in rules)


def _by_itself(inventory: Inventory) -> Iterator[Refusal]:
    spec = inventory.spec
    yield from check_names(spec)
    yield from check_places(inventory)
    yield from check_raid(spec)
    yield from check_power(inventory)
    yield from check_network(inventory)
    yield from check_hosts(spec)
    yield from check_spares(inventory)
    yield from check_listeners(spec)


def remarks(inventory: Inventory) -> tuple[Remark, ...]:
    """Disks of unequal size, lone processors, servers that count for nothing, bonds that need more than that."""
    return tuple(sorted([*_unequal(inventory), *_processors(inventory), *_idle(inventory), *_bonds(inventory)]))


def _unequal(inventory: Inventory) -> Iterator[Remark]:
    for index, server in enumerate(inventory.spec.servers):
        sizes = [disk.size_mib for disk in (*server.disks, *server.spare_disks)]
        if min(sizes) != max(sizes):
            message = (
                f"`{server.name}` has disks of {min(sizes):,} and {max(sizes):,} MiB; a mirror is no larger than the "
                f"smallest, so {min(sizes):,} MiB of each are used."
            )
            yield Remark(f"servers[{index}].disks", message)


def _processors(inventory: Inventory) -> Iterator[Remark]:
    for index, server in enumerate(inventory.spec.servers):
        if server.cpus == 1:
            message = (
                f"`{server.name}` has one processor; when that fails it stays down until it is repaired, while with "
                "two it starts again with the other."
            )
            yield Remark(f"servers[{index}].cpus", message)


def _idle(inventory: Inventory) -> Iterator[Remark]:
    spec = inventory.spec
    counted = {host.server for host in spec.hosts} | set(spec.spares)
    for index, server in enumerate(spec.servers):
        if server.name not in counted:
            message = f"`{server.name}` is no host's and no spare; nothing counts on it."
            yield Remark(f"servers[{index}]", message)


def _bonds(inventory: Inventory) -> Iterator[Remark]:
    for index, host in enumerate(inventory.spec.hosts):
        if host.bonding is Bonding.LACP:
            message = (
                f"`{host.name}` bonds by 802.3ad over switches of two manufacturers; these have to speak as one, which "
                "MLAG does within one manufacturer's and EVPN multihoming (RFC 8365) between two."
            )
            yield Remark(f"hosts[{index}].bonding", message)
