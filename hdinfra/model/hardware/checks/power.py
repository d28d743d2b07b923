"""Power: whatever happens to one chain, the other feeds every device."""

from collections.abc import Iterator

from hdinfra.model.hardware.inventory import Device, Inventory, Kind
from hdinfra.model.refusal import Refusal


def check_power(inventory: Inventory) -> Iterator[Refusal]:
    """`power.two-chains`, of each server, switch and router whose power supplies lead somewhere."""
    for device in inventory.devices.values():
        chains = [inventory.chain_of(feed) for feed in device.feeds]
        if None not in chains and len(set(chains)) == 1:
            message = (
                f"`{device.name}` has {_supplies(device)} on chain `{chains[0]}`; "
                f"without that chain the {device.kind} is dark."
            )
            yield Refusal(f"{device.path}.psus", "power.two-chains", message, _fix(inventory, device, str(chains[0])))


def _supplies(device: Device) -> str:
    feeds = f"({', '.join(device.feeds)})"
    return f"one power supply {feeds}" if len(device.feeds) == 1 else f"all its power supplies {feeds}"


def _fix(inventory: Inventory, device: Device, chain: str) -> str:
    deed = "add a second power supply on" if len(device.feeds) == 1 else "plug one into"
    other = _other_feed(inventory, device, chain)
    return f"{deed} another chain: `feed: {other}`" if other else f"{deed} another chain, and describe that chain"


def _other_feed(inventory: Inventory, device: Device, chain: str) -> str | None:
    site = inventory.site_of(device.name)
    others = [
        (feed.rack != device.rack, feed.kind is not Kind.PDU, name)
        for name, feed in inventory.feeds.items()
        if feed.site == site and feed.rack in (None, device.rack) and inventory.chain_of(name) not in (None, chain)
    ]
    return min(others)[-1] if others else None
