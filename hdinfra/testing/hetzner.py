"""What Hetzner Cloud's provider answers. Its ids are numbers, and programs turn them into such."""

import zlib
from collections.abc import Mapping
from typing import Any

from hdinfra.testing.monitor import Invoke, Outputs


def _id(name: str) -> str:
    return str(zlib.crc32(name.encode()))


def _plain(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    return {"id": _id(name)}


def _primary_ip(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Addresses for documentation (RFC 5737 and 3849), the same at every run."""
    number = zlib.crc32(name.encode())
    if inputs["type"] == "ipv4":
        return {"id": _id(name), "ipAddress": f"198.51.100.{number % 254 + 1}"}
    prefix = f"2001:db8:{number >> 16:x}:{number & 0xFFFF:x}::"
    return {"id": _id(name), "ipAddress": prefix, "ipNetwork": f"{prefix}/64"}


def _load_balancer(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    number = zlib.crc32(name.encode())
    return {"id": _id(name), "ipv4": f"203.0.113.{number % 254 + 1}", "ipv6": f"2001:db8:{number >> 16:x}::1"}


def _volume(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    return {"id": _id(name), "linuxDevice": f"/dev/disk/by-id/scsi-0HC_Volume_{_id(name)}"}


HETZNER: Mapping[str, Outputs] = {
    "hcloud:index/firewall:Firewall": _plain,
    "hcloud:index/loadBalancer:LoadBalancer": _load_balancer,
    "hcloud:index/network:Network": _plain,
    "hcloud:index/networkSubnet:NetworkSubnet": lambda _, inputs: {"id": f"{inputs['networkId']}-{inputs['ipRange']}"},
    "hcloud:index/placementGroup:PlacementGroup": _plain,
    "hcloud:index/primaryIp:PrimaryIp": _primary_ip,
    "hcloud:index/server:Server": _plain,
    "hcloud:index/volume:Volume": _volume,
}
"""What the provider adds to the inputs."""

HETZNER_INVOKES: Mapping[str, Invoke] = {"hcloud:index/getImage:getImage": lambda _: {"id": 13, "type": "system"}}
"""What its functions return."""
