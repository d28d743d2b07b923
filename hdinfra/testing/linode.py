"""What Linode's provider answers. Its ids are numbers, and programs turn them into such."""

import zlib
from collections.abc import Mapping
from typing import Any

from hdinfra.testing.monitor import Outputs


def _number(name: str) -> int:
    return zlib.crc32(name.encode())


def _plain(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    return {"id": str(_number(name))}


def _reserved_ip(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:  # noqa: ARG001
    """An address for benchmarks (RFC 2544), the same at every run; it is the id as well."""
    number = _number(name)
    address = f"198.{18 + (number >> 16) % 2}.{(number >> 8) % 256}.{number % 254 + 1}"
    return {"id": address, "address": address}


def _subnet(name: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """A /56 for documentation (RFC 3849) for each /56 that is asked for."""
    number = _number(name)
    allocated = f"2001:db8:{number >> 16:x}:{number & 0xFF00:x}::/56"
    return {
        "id": str(number),
        "ipv6s": [{**asked, "allocatedRange": allocated} for asked in inputs.get("ipv6s", ())],
    }


LINODE: Mapping[str, Outputs] = {
    "linode:index/firewall:Firewall": _plain,
    "linode:index/instance:Instance": _plain,
    "linode:index/nodeBalancer:NodeBalancer": lambda name, _: {
        "id": str(_number(name)),
        "ipv6": f"2001:db8:ffff:{_number(name) & 0xFFFF:x}::1",
    },
    "linode:index/nodeBalancerConfig:NodeBalancerConfig": _plain,
    "linode:index/objectStorageBucket:ObjectStorageBucket": lambda _, inputs: {
        "hostname": f"{inputs['label']}.{inputs['region']}-1.linodeobjects.com"
    },
    "linode:index/placementGroup:PlacementGroup": _plain,
    "linode:index/reservedIp:ReservedIp": _reserved_ip,
    "linode:index/volume:Volume": _plain,
    "linode:index/vpc:Vpc": _plain,
    "linode:index/vpcSubnet:VpcSubnet": _subnet,
}
"""What the provider adds to the inputs."""
