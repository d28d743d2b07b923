"""What firewalls of several clouds are told in the same way."""

from collections.abc import Iterable
from ipaddress import ip_network

WORLD = ("0.0.0.0/0", "::/0")


def families(addresses: Iterable[str | None]) -> list[list[str]]:
    """Addresses and networks as networks, IPv4 and IPv6 apart, sorted; a family without any has no list.

    Under stock mocks an address is None.
    """
    networks = sorted({ip_network(address) for address in addresses if address}, key=lambda n: (n.version, n))
    apart = ([str(network) for network in networks if network.version == version] for version in (4, 6))
    return [family for family in apart if family]
