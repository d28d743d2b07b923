"""Spares: for every model at every site something that takes its place."""

from collections.abc import Iterator

from hdinfra.model.hardware.inventory import Inventory
from hdinfra.model.refusal import Refusal

_RULE = "spare.per-model-and-site"


def check_spares(inventory: Inventory) -> Iterator[Refusal]:
    """`spare.per-model-and-site`: servers are mounted and idle, switches and routers lie on the shelf."""
    spec, spares = inventory.spec, set(inventory.spec.spares)
    has = {(inventory.sites.get(server.rack), server.model) for server in spec.servers if server.name in spares}
    needed: dict[tuple[str | None, str], list[str]] = {}
    for host in spec.hosts:
        if server := inventory.servers.get(host.server):
            needed.setdefault((inventory.sites.get(server.rack), server.model), []).append(host.name)
    for (site, model), hosts in needed.items():
        if site is not None and (site, model) not in has:
            message = (
                f"`{site}` has no spare {model}, and {len(hosts)} hosts on it (`{hosts[0]}` first); none could move."
            )
            fix = f"mount and cable one more, and write its name into `spares`{_idle(inventory, site, model)}"
            yield Refusal("spares", _RULE, message, fix)
    yield from _shelf(inventory)


def _idle(inventory: Inventory, site: str, model: str) -> str:
    spec = inventory.spec
    used = {host.server for host in spec.hosts}
    idle = [
        server.name
        for server in spec.servers
        if server.name not in used and (inventory.sites.get(server.rack), server.model) == (site, model)
    ]
    return f", such as `{idle[0]}`, which is idle" if idle else ""


def _shelf(inventory: Inventory) -> Iterator[Refusal]:
    spec = inventory.spec
    has = {(shelf.site, shelf.model) for shelf in spec.shelf}
    known = {site.name for site in spec.sites}
    mistyped = {shelf.model for shelf in spec.shelf if shelf.site not in known}
    needed: dict[tuple[str, str], str] = {}
    for device in inventory.network:
        if site := inventory.sites.get(device.rack):
            needed.setdefault((site, device.model), device.name)
    for (site, model), name in needed.items():
        if (site, model) not in has and model not in mistyped:
            message = (
                f"The shelf at `{site}` has no {model}; when `{name}` fails, its twin stays alone until one is bought."
            )
            fix = f"lay one there and add `- {{site: {site}, model: {model}}}` to `shelf`"
            yield Refusal("shelf", _RULE, message, fix)
