"""Two links as one, by systemd-networkd: names that follow the card and not the slot, one bond, both families.

The firewall needs nothing for it: LACP and ARP are no IP (an `inet` table never sees them), and what IPv6 asks of a
link (neighbour discovery, duplicate address detection, MLD) every Machine's rules let through already.
"""

from collections.abc import Iterator
from typing import assert_never

from hdinfra.machine.machine import File, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.server import Addresses, Bonding, Link, ServerPlan

BOND = "bond0"
_FOLDER = "/etc/systemd/network"

UNITS = (
    Unit("systemd-networkd.service"),
    Unit(
        "systemd-networkd-wait-online.service",
        drop_in=asset("metal-wait-online.service.conf"),
        enabled=False,  # systemd-networkd brings it along
    ),
)


def link_files(server: ServerPlan) -> tuple[File, ...]:
    """All of it, and resolv.conf: no daemon rewrites that."""
    resolvers = "".join(f"nameserver {resolver}\n" for resolver in server.network.resolvers)
    return (
        *(file for link in server.links for file in _of_link(link)),
        File(f"{_FOLDER}/20-{BOND}.netdev", _netdev(server)),
        File(f"{_FOLDER}/20-{BOND}.network", "".join(f"{line}\n" for line in _network(server.network))),
        File("/etc/resolv.conf", f"{resolvers}options timeout:2 attempts:2\n"),
        # Ifupdown, which other installers bring, has nothing to do.
        File("/etc/network/interfaces", "auto lo\niface lo inet loopback\n"),
    )


def _of_link(link: Link) -> Iterator[File]:
    # The permanent address: in a bond both links show the first one's.
    match = f"[Match]\nPermanentMACAddress={link.mac}\n"
    yield File(f"{_FOLDER}/10-{link.name}.link", f"{match}\n[Link]\nName={link.name}\n")
    network = f"[Link]\nRequiredForOnline=no\n\n[Network]\nBond={BOND}\nLinkLocalAddressing=no\n"
    yield File(f"{_FOLDER}/10-{link.name}.network", f"{match}\n{network}")


def _netdev(server: ServerPlan) -> str:
    # An address of the bond's own would depend on machine-id: switches and neighbours would see another after a
    # new installation.
    head = f"[NetDev]\nName={BOND}\nKind=bond\nMACAddress={server.links[0].mac}\n\n[Bond]\n"
    return head + "".join(f"{line}\n" for line in _mode(server.bonding))


def _mode(bonding: Bonding) -> tuple[str, ...]:
    match bonding:
        case Bonding.ACTIVE_BACKUP:
            # Five announcements over half a second, in both families: a switch that drops the first learns of a later
            # one. Whoever took over stays, so that a link that comes and goes moves the traffic once.
            return ("Mode=active-backup", "MIIMonitorSec=100ms", "GratuitousARP=5", "PrimaryReselectPolicy=failure")
        case Bonding.LACP:
            return (
                "Mode=802.3ad",
                "MIIMonitorSec=100ms",
                "LACPTransmitRate=fast",  # a dead partner is seen in 3 s instead of 90 s
                "TransmitHashPolicy=layer3+4",
                "MinLinks=1",
            )
        case _:
            assert_never(bonding)


def _network(network: Addresses) -> Iterator[str]:
    yield from ("[Match]", f"Name={BOND}", "", "[Link]", "RequiredForOnline=degraded-carrier:routable", "")
    yield from ("[Network]", "DHCP=no", "IPv6AcceptRA=no", "LinkLocalAddressing=ipv6")
    # Addresses are there without a cable too, so that what listens on them starts; and they outlive a restart of the
    # daemon by an upgrade.
    yield from ("ConfigureWithoutCarrier=yes", "KeepConfiguration=static")
    yield from (f"Address={network.ipv4}", f"Address={network.ipv6}", "")
    yield from ("[Route]", f"Gateway={network.gateway4}", "", "[Route]", f"Gateway={network.gateway6}")
