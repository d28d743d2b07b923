"""The network of a Cluster on Google Cloud: a VPC that lets nothing through, its subnets, flow logs and schedules."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import pulumi
from pulumi_gcp import compute

from hdinfra.clouds.cloud import Ground, NetworkHandle, Opening, SubnetHandle
from hdinfra.clouds.firewalls import WORLD, families
from hdinfra.clouds.gcp_names import name_of, own_labels, tag_of
from hdinfra.clouds.options import extended
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import NetworkPlan, SubnetPlan
from hdinfra.model.spec import SnapshotsSpec

_OPENED, _DENIED = 1_000, 65_000  # the lower number decides; Google's own implied rules stand at 65,535
_FLOWS = {
    # CIS Google Cloud 4.0, row 3.8.
    "aggregation_interval": "INTERVAL_5_SEC",
    "flow_sampling": 1.0,
    "metadata": "INCLUDE_ALL_METADATA",
}
_NOBODY = {4: "192.0.2.0/32", 6: "2001:db8::/128"}
"""Documentation addresses (RFC 5737, RFC 3849): a rule without sources would be open to the world."""
_FAMILIES = {4: "ipv4", 6: "ipv6"}
_ICMP = {4: "icmp", 6: "58"}
_DAYS = {"day": 1, "week": 7}


def declare_network(name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
    """The VPC, what it denies, and its subnets, of which those that are not public reach Google's own services alone.

    A subnet is a region's here; each takes the Machines of one availability zone, as plans have it.
    """
    vpc = compute.Network(
        name,
        name=name_of(name, ground),
        auto_create_subnetworks=False,
        enable_ula_internal_ipv6=True,
        mtu=1500,  # the Internet's, and so what tunnels count on; Google's default is 1,460
        routing_mode="REGIONAL",
        opts=opts,
    )
    denied = [_deny(name, vpc, direction, version, ground, opts) for direction in _RANGES for version in _FAMILIES]
    # Nothing can stand in a subnet before all is denied there.
    subnets = {part: _subnet(name, part, vpc, ground, extended(opts, after=denied)) for part in plan.subnets}
    return NetworkHandle(
        vpc,
        vpc.id,
        {
            part.zone: SubnetHandle(subnet, subnet.id, subnet.external_ipv6_prefix)
            for part, subnet in subnets.items()
            if part.public
        },
    )


def declare_snapshots(
    name: str, asked: SnapshotsSpec, ground: Ground, opts: pulumi.ResourceOptions
) -> compute.ResourcePolicy:
    """When disks that it is attached to are copied. Google counts days, not copies: one is kept as long as asked."""
    at = "03:00"  # UTC
    weekly = {"weekly_schedule": {"day_of_weeks": [{"day": "SUNDAY", "start_time": at}]}}
    daily = {"daily_schedule": {"days_in_cycle": 1, "start_time": at}}
    name = f"{name}-snapshots"
    return compute.ResourcePolicy(
        name,
        name=name_of(name, ground),
        region=ground.place.region,
        description=f"Disks of {ground.name}",
        snapshot_schedule_policy={
            "schedule": daily if asked.every == "day" else weekly,
            "retention_policy": {
                "max_retention_days": asked.keep * _DAYS[asked.every],
                "on_source_disk_delete": "KEEP_AUTO_SNAPSHOTS",
            },
            "snapshot_properties": {"labels": own_labels(ground), "storage_locations": ground.place.region},
        },
        opts=opts,
    )


def declare_firewall(
    name: str, firewall: Firewall, openings: Sequence[Opening], ground: Ground, opts: pulumi.ResourceOptions
) -> pulumi.Output[str]:
    """Rules for the Machines that carry the tag, which is what comes back, once all of them exist."""
    tag = tag_of(name)
    named = [opening for opening in openings if opening.sources is not None]
    rules = [
        rule
        for version in _FAMILIES
        for rule in (
            _open(f"{name}-world", tag, version, [_ping(version), *_world(openings)], None, ground, opts),
            *(
                _open(f"{name}-{one.protocol}-{one.port}", tag, version, [_ports([one])], one.sources, ground, opts)
                for one in named
            ),
            _let_out(f"{name}-out", tag, version, firewall, ground, opts),
        )
    ]
    return pulumi.Output.all(tag, *(rule.id for rule in rules)).apply(lambda known: str(known[0]))


_RANGES: Mapping[str, str] = {"INGRESS": "source_ranges", "EGRESS": "destination_ranges"}


def _deny(  # noqa: PLR0913, PLR0917  one rule in full
    network: str, vpc: compute.Network, direction: str, version: int, ground: Ground, opts: pulumi.ResourceOptions
) -> compute.Firewall:
    """For every Machine in the network, whatever it carries."""
    name = f"{network}-deny-{direction.lower()}-{_FAMILIES[version]}"
    return compute.Firewall(
        name,
        name=name_of(name, ground),
        network=vpc.id,
        direction=direction,
        priority=_DENIED,
        denies=[{"protocol": "all"}],
        opts=opts,
        **{_RANGES[direction]: [_everybody(version)]},
    )


def _open(  # noqa: PLR0913, PLR0917  one rule in full
    name: str,
    tag: str,
    version: int,
    allowed: Sequence[Mapping[str, Any]],
    sources: pulumi.Output[list[str]] | None,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> compute.Firewall:
    known = pulumi.Output.from_input(list(WORLD)) if sources is None else sources
    ranges = known.apply(partial(_of_family, version=version))
    name = f"{name}-{_FAMILIES[version]}"
    return compute.Firewall(
        name,
        name=name_of(name, ground),
        network=ground.networks[-1].native_id,
        direction="INGRESS",
        priority=_OPENED,
        allows=list(allowed),
        source_ranges=ranges.apply(lambda found: found or [_NOBODY[version]]),
        disabled=ranges.apply(lambda found: not found),
        target_tags=[tag],
        opts=opts,
    )


def _let_out(  # noqa: PLR0913, PLR0917  one rule in full
    name: str, tag: str, version: int, firewall: Firewall, ground: Ground, opts: pulumi.ResourceOptions
) -> compute.Firewall:
    """As the Machines' own firewalls, but for what Google's metadata server does, which no rule holds back.

    Policy fills a Machine's outbound sets with origins and WAFs at any address and port, at any time: here all TCP must
    be open to the world, and the Machine's own firewall narrows it to the sets; UDP to sets likewise, at their ports.
    """
    api = [9000] if firewall.api_users else []
    some = {"protocol": "tcp", "ports": [str(port) for port in (53, 80, 443, *api)]}
    tcp = {"protocol": "tcp"} if firewall.outbound_sets else some
    udp = {"protocol": "udp", "ports": [str(port) for port in sorted({53, 123, *firewall.outbound_udp})]}
    name = f"{name}-{_FAMILIES[version]}"
    return compute.Firewall(
        name,
        name=name_of(name, ground),
        network=ground.networks[-1].native_id,
        direction="EGRESS",
        priority=_OPENED,
        allows=[_ping(version), tcp, udp],
        destination_ranges=[_everybody(version)],
        target_tags=[tag],
        opts=opts,
    )


def _world(openings: Sequence[Opening]) -> list[dict[str, Any]]:
    world = [opening for opening in openings if opening.sources is None]
    return [_ports([one for one in world if one.protocol == kind]) for kind in sorted({one.protocol for one in world})]


def _ports(openings: Sequence[Opening]) -> dict[str, Any]:
    """All of one protocol."""
    return {"protocol": openings[0].protocol, "ports": [str(opening.port) for opening in openings]}


def _ping(version: int) -> dict[str, Any]:
    """Both ways whole: the Machines' own firewalls let in ping and what paths' MTU takes."""
    return {"protocol": _ICMP[version]}


def _everybody(version: int) -> str:
    return WORLD[version == 6]


def _of_family(addresses: Sequence[str | None], version: int) -> list[str]:
    found = [family for family in families(addresses) if (":" in family[0]) == (version == 6)]
    return found[0] if found else []


def _subnet(
    network: str, part: SubnetPlan, vpc: compute.Network, ground: Ground, opts: pulumi.ResourceOptions
) -> compute.Subnetwork:
    name = f"{network}-{part.name}"
    return compute.Subnetwork(
        name,
        name=name_of(name, ground),
        network=vpc.id,
        region=ground.place.region,
        ip_cidr_range=str(part.ipv4),
        stack_type="IPV4_IPV6",
        ipv6_access_type="EXTERNAL" if part.public else "INTERNAL",
        private_ip_google_access=not part.public,
        log_config=_FLOWS,
        opts=opts,
    )
