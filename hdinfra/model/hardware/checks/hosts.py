"""Hosts: addresses of their own, and gateways that they reach."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from hdinfra.model.hardware.spec import HardwareSpec, HostSpec
from hdinfra.model.refusal import Refusal


def check_hosts(spec: HardwareSpec) -> Iterator[Refusal]:
    """`host.duplicate-address`, `host.gateway`."""
    holders: dict[IPv4Address | IPv6Address, str] = {}
    for index, host in enumerate(spec.hosts):
        for key, address in (("ipv4", host.ipv4.ip), ("ipv6", host.ipv6.ip)):
            first = holders.setdefault(address, host.name)
            if first != host.name:
                message = (
                    f"{address} is the address of `{first}` and of `{host.name}`; one of them would not be reached."
                )
                fix = f"write another address of {getattr(host, key).network}"
                yield Refusal(f"hosts[{index}].{key}", "host.duplicate-address", message, fix)
        yield from _gateways(f"hosts[{index}]", host)


def _gateways(path: str, host: HostSpec) -> Iterator[Refusal]:
    pairs = (("gateway4", host.ipv4, host.gateway4), ("gateway6", host.ipv6, host.gateway6))
    for key, own, gateway in pairs:
        if reason := _unreached(own, gateway):
            message = f"`{host.name}` is {own} and its gateway {gateway}, {reason}; it would have no way out."
            link_local = ", or `fe80::1` if the router has it" if key == "gateway6" else ""
            fix = f"write `{key}: ...`, the router's address in {own.network}{link_local}"
            yield Refusal(f"{path}.{key}", "host.gateway", message, fix)


def _unreached(own: IPv4Interface | IPv6Interface, gateway: IPv4Address | IPv6Address) -> str | None:
    if gateway == own.ip:
        return "itself"
    if gateway in own.network or (isinstance(gateway, IPv6Address) and gateway.is_link_local):
        return None
    return f"outside {own.network}"
