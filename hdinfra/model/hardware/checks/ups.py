"""Batteries: everybody hears when they are low, and what is to stop by then stops in an order and in time."""

from collections.abc import Iterator

from hdinfra.model.hardware.inventory import Inventory
from hdinfra.model.hardware.power_plan import hosts_at, power_plan, upss_of, watched_at
from hdinfra.model.hardware.turns import ring
from hdinfra.model.refusal import Refusal


def check_ups(inventory: Inventory) -> Iterator[Refusal]:
    """`ups.order-ring`, `ups.host`, `ups.told-apart`, `ups.watched`, `ups.network-fed`, `ups.battery-lasts`; of an
    inventory whose names all lead somewhere."""
    found = ring({service.name: service.after for service in inventory.spec.services})
    if found:
        yield _ring(inventory, found)
    yield from _wired(inventory)
    yield from _apart(inventory)
    for site in inventory.spec.sites:
        if watched_at(inventory, site.name):
            yield from _unwatched(inventory, site.name)
            yield from _unfed(inventory, site.name)
            if not found:
                yield from _too_short(inventory, site.name)


def _ring(inventory: Inventory, found: tuple[str, ...]) -> Refusal:
    index = [service.name for service in inventory.spec.services].index(found[0])
    told = " needs ".join(f"`{name}`" for name in found)
    message = f"{told}; none of them could stop before the others, or start after them."
    fix = f"drop `{found[1]}` from the `after` of `{found[0]}`, or another of these"
    return Refusal(f"services[{index}].after", "ups.order-ring", message, fix)


def _wired(inventory: Inventory) -> Iterator[Refusal]:
    for index, ups in enumerate(inventory.spec.upss):
        if ups.nut is None or ups.name in upss_of(inventory, inventory.hosts[ups.nut.host].server):
            continue
        fed = [host.name for host in inventory.spec.hosts if ups.name in upss_of(inventory, host.server)]
        message = (
            f"`{ups.nut.host}` has the cable of `{ups.name}` and no power supply on it; it could be dead while "
            f"`{ups.name}` is empty, and nobody else can ask the battery."
        )
        fix = f"write `host: {fed[0]}`, which it feeds, and plug the cable there" if fed else "plug a server into it"
        yield Refusal(f"upss[{index}].nut.host", "ups.host", message, fix)


def _apart(inventory: Inventory) -> Iterator[Refusal]:
    first: dict[tuple[str, str, str, str | None], str] = {}
    for index, ups in enumerate(inventory.spec.upss):
        if nut := ups.nut:
            other = first.setdefault((nut.host, nut.driver, nut.port, nut.serial), ups.name)
            if other != ups.name:
                message = (
                    f"`{nut.host}` would find `{ups.name}` and `{other}` at the same port; it would watch one twice."
                )
                fix = "write the `serial` of each, as `nut-scanner -U` shows it, or another `port`"
                yield Refusal(f"upss[{index}].nut", "ups.told-apart", message, fix)


def _unwatched(inventory: Inventory, site: str) -> Iterator[Refusal]:
    feeds = {name for host in hosts_at(inventory, site) for name in upss_of(inventory, host.server)}
    for index, ups in enumerate(inventory.spec.upss):
        if ups.name in feeds and ups.nut is None:
            message = (
                f"Nobody watches `{ups.name}`, and others at `{site}` are watched; its hosts would shut down while it "
                "still carries them."
            )
            yield Refusal(f"upss[{index}]", "ups.watched", message, "add `nut: {host: ..., low_seconds: ...}`")


def _unfed(inventory: Inventory, site: str) -> Iterator[Refusal]:
    watched = watched_at(inventory, site)
    for device in inventory.network:
        if inventory.site_of(device.name) == site and not watched.keys() & upss_of(inventory, device.name):
            message = (
                f"No watched battery feeds `{device.name}`; when the street's power goes it is dark at once, and hosts "
                "behind it never hear that the batteries are low."
            )
            fix = f"plug one of its power supplies into {', '.join(f'`{name}`' for name in sorted(watched))}"
            yield Refusal(f"{device.path}.psus", "ups.network-fed", message, fix)


def _too_short(inventory: Inventory, site: str) -> Iterator[Refusal]:
    plan = power_plan(inventory, site)
    for index, ups in enumerate(inventory.spec.upss):
        if plan and ups.nut and ups.name in watched_at(inventory, site) and ups.nut.low_seconds < plan.seconds:
            message = (
                f"`{ups.name}` lasts {ups.nut.low_seconds} s once it is low, and `{site}` takes {plan.seconds} s to go "
                f"down in {len(plan.waves)} waves; the last ones would lose power while they run."
            )
            fix = f"write `low_seconds: {plan.seconds}`, which its driver is told, or lower `stop_seconds`"
            yield Refusal(f"upss[{index}].nut.low_seconds", "ups.battery-lasts", message, fix)
