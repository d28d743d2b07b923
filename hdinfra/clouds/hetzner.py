"""Hetzner Cloud. What it lacks, and the limits named here, are in model/providers/hetzner.toml with their sources."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Network, ip_network
from pathlib import Path
from typing import Any

import pulumi
from pulumi_hcloud import (
    Firewall as HcloudFirewall,
)
from pulumi_hcloud import (
    FirewallRuleArgs,
    Network,
    NetworkSubnet,
    PlacementGroup,
    Provider,
    Server,
    ServerNetwork,
    ServerPublicNetArgs,
    Volume,
    VolumeAttachment,
    get_image_output,
)

from hdinfra.clouds.accounts import token_of
from hdinfra.clouds.cloud import (
    AddressHandle,
    BalancerHandle,
    Boot,
    BucketHandle,
    BundleHandle,
    Ground,
    GroupHandle,
    HealthCheck,
    ImageHandle,
    MachineHandle,
    NetworkHandle,
    Opening,
    Scope,
    Store,
    SubnetHandle,
    VolumeHandle,
)
from hdinfra.clouds.firewalls import WORLD, families
from hdinfra.clouds.hetzner_balancer import declare_balancer
from hdinfra.clouds.hetzner_names import at, labels_of, name_of, number_of, primary_ip
from hdinfra.clouds.names import ordinal_of
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.cloud_init import compressed
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan

NETWORK_ZONES: Mapping[str, str] = {
    "nbg1": "eu-central",
    "fsn1": "eu-central",
    "hel1": "eu-central",
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
"""In which part of the world a location's subnets lie: docs.hetzner.com/cloud/networks/faq of 2024-12-11."""

IMAGE = "debian-13"
"""Only Hetzner's own (system) images have a name, so the name is the owner too (docstring of `get_image`)."""

ARCHITECTURES: Mapping[str, str] = {"amd64": "x86", "arm64": "arm"}
"""Debian's names to Hetzner's (`with_architecture` of `get_image`)."""

SPREAD = 10
"""Servers in one placement group of type `spread`: docs.hetzner.com/cloud/placement-groups/overview."""


class HetznerCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`."""

    def given(self, account: str | None) -> frozenset[str]:
        """The account's token, which is all that it has."""
        return frozenset(("token",) if token_of(account) is not None else ())

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """One project's API. An account's only setting is its `token`; without an account it is HCLOUD_TOKEN's."""
        account = where.account if isinstance(where, ClusterPlan) else None
        return Provider(name, token=token_of(account), opts=opts)

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: Machines install their packages at their first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A network with one subnet, for a location is one failure domain. IPv4 only: IPv6 is public here.

        No firewall of Hetzner's filters it; Machines' own do. Its key among the subnets is the location.
        """
        location = ground.place.region
        prefix = str(plan.prefixes.ipv4)
        network = Network(
            name, name=name_of(name, ground), ip_range=prefix, labels=labels_of(ground.scope, at(ground)), opts=opts
        )
        subnet = NetworkSubnet(
            f"{name}-subnet",
            network_id=number_of(network.id),
            type="cloud",
            network_zone=NETWORK_ZONES[location],
            ip_range=prefix,
            opts=opts,
        )
        return NetworkHandle(network, network.id, {location: SubnetHandle(subnet, subnet.id)})

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """Two primary IPs, which a server has as its own: what comes from it comes from them.

        Of the IPv6 one, a /64, cloud-init gives the server the first address (network-config of the metadata).
        """
        labels = ground.scope.labels(plan)
        ipv4, ipv6 = (primary_ip(f"{plan.name}-{each}", each, labels, ground, opts) for each in ("ipv4", "ipv6"))
        return AddressHandle(ipv4.ip_address, ipv6.ip_network.apply(_first), (ipv4.id, ipv6.id))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """A firewall, and a placement group for each ten Machines.

        It says nothing of who comes over the network, such as a load balancer: that is for Machines' own to let in.
        """
        labels = labels_of(ground.scope, at(ground))
        sources = [opening.sources or pulumi.Output.from_input(list(WORLD)) for opening in openings]
        wall = HcloudFirewall(
            f"{name}-firewall",
            name=name_of(f"{name}-firewall", ground),
            rules=pulumi.Output.all(*sources).apply(
                lambda known: [*_inbound(openings, [_outside(each, ground) for each in known]), *_outbound(firewall)]
            ),
            labels=labels,
            opts=opts,
        )
        names = [f"{name}-spread-{number}" for number in range(1, -(-machines // SPREAD) + 1)]
        spread = [
            PlacementGroup(each, name=name_of(each, ground), type="spread", labels=labels, opts=opts) for each in names
        ]
        return GroupHandle((wall.id,), tuple(each.id for each in spread))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """A volume without a file system, which the Machine makes once.

        A Machine that is removed leaves it at Hetzner, where only a person deletes it: the API is told to refuse.
        """
        if plan.volume_gib is None:
            return None
        name = f"{plan.name}-volume"
        volume = Volume(
            name,
            name=name_of(name, ground),
            size=plan.volume_gib,
            location=plan.region,
            delete_protection=True,
            labels=labels_of(ground.scope, ground.scope.labels(plan)),
            opts=extended(opts, retain_on_delete=True),
        )
        return VolumeHandle(volume, volume.id, volume.linux_device)

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A server. One that is made anew is gone first, for a primary IP and a volume have one server at a time.

        Without SSH keys Hetzner makes a root password and gives its hash to cloud-init; it is set nowhere, since none
        of the modules that our user data leaves in force sets passwords, and the provider keeps none.
        """
        if boot.address is None:
            raise ValueError(f"`{plan.name}` has no address, which is declared before every Machine of a cloud")
        group = boot.group or GroupHandle(())
        ipv4, ipv6 = map(number_of, boot.address.native_ids)
        found = None if plan.image else _image(plan, opts)
        server = Server(
            plan.name,
            name=name_of(plan.name, ground),
            server_type=plan.size.name,
            location=plan.region,
            image=found or plan.image,
            user_data=boot.user_data.apply(_encoded),
            public_nets=[ServerPublicNetArgs(ipv4_enabled=True, ipv4=ipv4, ipv6_enabled=True, ipv6=ipv6)],
            firewall_ids=[number_of(firewall) for firewall in group.firewalls],
            placement_group_id=number_of(group.spread[ordinal_of(plan) // SPREAD]) if group.spread else None,
            backups=plan.snapshots is not None,
            keep_disk=True,  # a smaller size stays possible
            shutdown_before_deletion=True,  # volumes are unmounted, requests answered
            labels=labels_of(ground.scope, ground.scope.labels(plan)),
            opts=extended(
                opts, delete_before_replace=True, ignore_changes=["user_data"], replacement_trigger=boot.description
            ),
        )
        attached = _attach(plan, server, boot.volume, ground, opts)
        address = boot.address
        return MachineHandle(
            plan, server, server.id, server.id, address.ipv4, address.ipv6, found, group, attached=attached
        )

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """A load balancer in the place's network, with primary IPs of its own."""
        return declare_balancer(name, machines, health, ground, opts)

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """Never asked for: the plan refuses it (rule `cloud.no-buckets`), for the API has no buckets."""
        raise NotImplementedError("Hetzner's buckets are made over S3, not by its cloud API")

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """Never asked for, as there is no bucket."""
        raise NotImplementedError("Hetzner's cloud API has nothing that holds bundles")


def _first(network: str) -> str:
    return str(IPv6Network(network)[1])


def _image(plan: MachinePlan, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """What Debian 13 is today; held from then on."""
    asked = pulumi.InvokeOutputOptions(parent=opts.parent, provider=opts.provider)
    return get_image_output(name=IMAGE, with_architecture=ARCHITECTURES[plan.size.arch], opts=asked).apply(
        lambda image: str(image.id)
    )


def _encoded(text: str) -> str:
    """One line of base64: with a break in it cloud-init would take it for plain text (hetzner.toml)."""
    return base64.b64encode(compressed(text)).decode()


def _attach(
    plan: MachinePlan, server: Server, volume: VolumeHandle | None, ground: Ground, opts: pulumi.ResourceOptions
) -> tuple[pulumi.Resource, ...]:
    """The Machine's private address and its volume. Each goes with its server, and is never in two places at once."""
    bound = extended(opts, after=server, deleted_with=server, delete_before_replace=True)
    made: list[pulumi.Resource] = []
    if plan.private:
        subnet = ground.networks[-1].subnets[plan.region]
        private = ServerNetwork(
            f"{plan.name}-private",
            server_id=number_of(server.id),
            subnet_id=subnet.native_id,
            ip=str(plan.private.ipv4),
            opts=bound,
        )
        made.append(private)
    if volume:
        attachment = VolumeAttachment(
            f"{plan.name}-volume-attachment",
            server_id=number_of(_unlinked(server.id)),
            volume_id=number_of(volume.native_id),
            automount=False,
            opts=bound,
        )
        made.append(attachment)
    return tuple(made)


def _unlinked(output: pulumi.Output[str]) -> pulumi.Output[str]:
    """The same value, of which the engine does not know that it comes from a resource.

    What takes a property of a server that is made anew is deleted before it: the volume would be torn from a running
    Machine with what is not written yet. So it waits for the server (`depends_on`), whose end frees the volume cleanly.
    """
    value: Any = output.future(with_unknowns=True)
    return pulumi.Output(set(), value, output.is_known(), output.is_secret())


def _outside(sources: Sequence[str], ground: Ground) -> list[str]:
    inside = ground.place.prefixes.ipv4
    return [source for source in sources if ip_network(source) != inside]


def _inbound(openings: Sequence[Opening], sources: Sequence[Sequence[str]]) -> Iterator[FirewallRuleArgs]:
    """What is not named is dropped. A rule's sources are of one family, for they are counted by rule."""
    yield FirewallRuleArgs(direction="in", protocol="icmp", source_ips=list(WORLD))
    for opening, known in zip(openings, sources, strict=True):
        for networks in families(known):
            yield FirewallRuleArgs(
                direction="in", protocol=opening.protocol, port=str(opening.port), source_ips=networks
            )


def _outbound(firewall: Firewall) -> Iterator[FirewallRuleArgs]:
    """One rule is enough to drop all that is not named. These are what Machines' own firewalls let out.

    Sets of addresses come with policy and change without us: to any TCP port then, and to UDP ports of the whole world,
    and Machines' own firewalls narrow it to the sets.
    """
    tcp = ("any",) if firewall.outbound_sets else ("53", "80", "443", "9000")
    udp = ("53", "67", "123", "547", *(str(port) for port in sorted(firewall.outbound_udp)))
    named = [("icmp", None), *(("tcp", port) for port in tcp), *(("udp", port) for port in udp)]
    for protocol, port in named:
        yield FirewallRuleArgs(direction="out", protocol=protocol, port=port, destination_ips=list(WORLD))
