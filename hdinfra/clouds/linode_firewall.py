"""What a Cloud Firewall of Linode's lets in and out: the same as Machines' own. Everything else is dropped."""

from collections.abc import Iterator, Sequence

import pulumi
import pulumi_linode as linode

from hdinfra.clouds.cloud import Opening
from hdinfra.clouds.firewalls import WORLD, families
from hdinfra.machine.machine import Firewall

Rules = tuple[pulumi.Output[list[linode.FirewallInboundArgs]], list[linode.FirewallOutboundArgs]]


def firewall_rules(firewall: Firewall, openings: Sequence[Opening]) -> Rules:
    """Inbound and outbound rules. A firewall has 25 of them, and a rule 15 ports and 255 addresses: a family each."""
    sources = [opening.sources or list(WORLD) for opening in openings]
    inbound = pulumi.Output.all(*sources).apply(lambda known: list(_inbound(openings, known)))
    return inbound, list(_outbound(firewall))


def _inbound(
    openings: Sequence[Opening], sources: Sequence[Sequence[str | None]]
) -> Iterator[linode.FirewallInboundArgs]:
    """What is open to nobody yet has no rule. ICMP is both families' here, whole: neighbours and paths' MTU need it."""
    yield linode.FirewallInboundArgs(label="icmp", action="ACCEPT", protocol="ICMP", ipv4s=[WORLD[0]], ipv6s=[WORLD[1]])
    for opening, known in zip(openings, sources, strict=True):
        for family in families(known):
            version = "6" if ":" in family[0] else "4"
            yield linode.FirewallInboundArgs(
                label=f"{opening.protocol}-{opening.port}-ipv{version}",
                action="ACCEPT",
                protocol=opening.protocol.upper(),
                ports=str(opening.port),
                ipv4s=family if version == "4" else None,
                ipv6s=family if version == "6" else None,
            )


def _outbound(firewall: Firewall) -> Iterator[linode.FirewallOutboundArgs]:
    """Sets of addresses come with policy and change without us: to any TCP port then, and Machines' own firewalls
    narrow it to the sets; UDP likewise, at its ports."""
    tcp = "1-65535" if firewall.outbound_sets else "53,80,443,9000"
    udp = ",".join(("53", "67", "123", "547", *(str(port) for port in sorted(firewall.outbound_udp))))
    named = (("ICMP", None), ("TCP", tcp), ("UDP", udp))
    for protocol, ports in named:
        yield linode.FirewallOutboundArgs(
            label=protocol.lower(),
            action="ACCEPT",
            protocol=protocol,
            ports=ports,
            ipv4s=[WORLD[0]],
            ipv6s=[WORLD[1]],
        )
