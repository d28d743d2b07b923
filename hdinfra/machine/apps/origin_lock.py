"""A Machine that listens for Cloudflare alone, where its edge asks it at an address and not through a tunnel."""

from dataclasses import replace

from hdinfra.machine.machine import File, Machine
from hdinfra.model.failover.cloudflare_networks import cloudflare_networks

CLOUDFLARE = "cloudflare"
"""The firewall's sets of Cloudflare's networks. They are the base's: no policy fills them."""


def for_cloudflare_only(machine: Machine) -> Machine:
    """What was open to the world is open to Cloudflare's published networks. ValueError where nothing is."""
    firewall = machine.firewall
    if not firewall.public_tcp:
        raise ValueError(f"`{machine.identity.name}` opens nothing to the world, so there is nothing to lock")
    restricted = {**firewall.restricted_tcp, **dict.fromkeys(firewall.public_tcp, CLOUDFLARE)}
    return replace(
        machine,
        files=(*machine.files, File(f"/etc/hdinfra/first/{CLOUDFLARE}.nft", _elements())),
        firewall=replace(firewall, public_tcp=(), restricted_tcp=restricted),
    )


def _elements() -> str:
    networks = cloudflare_networks().visitors
    return "".join(
        f"add element inet hdinfra {CLOUDFLARE}{version} "
        f"{{ {', '.join(str(network) for network in networks if network.version == version)} }}\n"
        for version in (4, 6)
    )
