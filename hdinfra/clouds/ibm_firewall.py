"""Security groups on IBM Cloud, of which each rule is a resource that names one address or network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pulumi

from hdinfra.clouds.cloud import Ground, Opening
from hdinfra.clouds.ibm_network import WORLD, group_of, labels_of, name_of, tags
from hdinfra.machine.machine import Firewall
from hdinfra.sdks.ibm import IsSecurityGroup, IsSecurityGroupRule

_ALL_PORTS = (1, 65_535)


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is added to its group's, and says what it is for: none is counted, so that none moves for another."""

    name: str
    direction: str
    protocol: str
    ports: tuple[int, int] | None = None
    remote: pulumi.Input[str] = WORLD


def declare_group(
    name: str, rules: Sequence[Rule], ground: Ground, opts: pulumi.ResourceOptions
) -> tuple[IsSecurityGroup, list[IsSecurityGroupRule]]:
    """A security group of the ground's VPC. IBM makes it with no rule at all, which denies both ways."""
    group = IsSecurityGroup(
        name,
        vpc=ground.networks[-1].native_id,
        name=name_of(name, ground),
        resource_group=group_of(ground),
        tags=tags(ground.scope, labels_of(ground)),
        opts=opts,
    )
    declared = []
    for rule in rules:
        first, last = rule.ports or (None, None)
        declared.append(
            IsSecurityGroupRule(
                f"{name}-{rule.name}",
                group=group.id,
                direction=rule.direction,
                protocol=rule.protocol,
                port_min=first,
                port_max=last,
                remote=rule.remote,
                name=name_of(f"{name}-{rule.name}", ground),
                opts=opts,
            )
        )
    return group, declared


def machine_rules(firewall: Firewall, openings: Sequence[Opening]) -> Iterator[Rule]:
    """What the Machines' own firewalls let in and out. Both ways ICMP is whole: they narrow it, and paths' MTU takes
    it."""
    yield Rule("in-icmp", "inbound", "icmp")
    for opening in openings:
        for name, remote in sorted(_sources(opening)):
            yield Rule(
                f"in-{opening.protocol}-{opening.port}-{name}",
                "inbound",
                opening.protocol,
                (opening.port, opening.port),
                remote,
            )
    yield from _outbound(firewall)


def _sources(opening: Opening) -> Iterator[tuple[str, pulumi.Input[str]]]:
    if opening.sources is None:
        yield "world", WORLD
        return
    named: Mapping[str, pulumi.Input[str]] = opening.ipv4
    yield from named.items()


def _outbound(firewall: Firewall) -> Iterator[Rule]:
    """Sets of addresses come with policy and change without us: to any TCP port then, and to UDP ports of the whole
    world, and Machines' own firewalls narrow it to the sets."""
    api = [9000] if firewall.api_users else []
    tcp = [_ALL_PORTS] if firewall.outbound_sets else [(port, port) for port in (53, 80, 443, *api)]
    udp = [(port, port) for port in (53, 67, 123, *sorted(firewall.outbound_udp))]
    yield Rule("out-icmp", "outbound", "icmp")
    for protocol, ports in (*(("tcp", each) for each in tcp), *(("udp", each) for each in udp)):
        name = "all" if ports == _ALL_PORTS else str(ports[0])
        yield Rule(f"out-{protocol}-{name}", "outbound", protocol, ports)
