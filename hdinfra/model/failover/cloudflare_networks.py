"""Cloudflare's published addresses: who may ask an origin, and where connectors of a tunnel connect to."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class CloudflareNetworks:
    """`visitors`: from where the edge asks origins at an address. `tunnels`: to where, at `port` over TCP and UDP, a
    tunnel's connectors connect."""

    visitors: tuple[Network, ...]
    tunnels: tuple[Address, ...]
    port: int


@cache
def cloudflare_networks() -> CloudflareNetworks:
    """What cloudflare.toml says, with its sources."""
    table: Mapping[str, Any] = tomllib.loads(
        files("hdinfra.model.failover").joinpath("cloudflare.toml").read_text(encoding="utf-8")
    )
    visitors, tunnels = table["visitors"], table["tunnels"]
    return CloudflareNetworks(
        visitors=tuple(ip_network(text) for family in ("ipv4", "ipv6") for text in visitors[family]),
        tunnels=tuple(ip_address(text) for family in ("ipv4", "ipv6") for text in tunnels[family]),
        port=tunnels["port"],
    )
