"""Hetzner Cloud. What it lacks, and the limits named here, are in model/providers/hetzner.toml with their sources."""

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
    PrimaryIp,
    Provider,
    Server,
    ServerNetwork,
    ServerPublicNetArgs,
    Volume,
    VolumeAttachment,
    get_image_output,
)

from hdinfra.clouds.cloud import (
    AddressHandle,
    Boot,
    BucketHandle,
    BundleHandle,
    Ground,
    GroupHandle,
    ImageHandle,
    MachineHandle,
    NetworkHandle,
    Opening,
    Scope,
    Store,
    SubnetHandle,
    VolumeHandle,
    account_settings,
)
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

WORLD = ("0.0.0.0/0", "::/0")

SPREAD = 10
"""Servers in one placement group of type `spread`: docs.hetzner.com/cloud/placement-groups/overview."""

LONGEST = 63
"""Of a server's name, which is a host label (RFC 1123), and of a label's value (docs.hetzner.cloud, labels)."""

_SUFFIX = 8  # what Pulumi's auto-naming adds: a dash and seven hexadecimal digits
_SETTINGS = frozenset({"token"})


class HetznerCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`."""

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """One project's API. An account's only setting is its `token`; without an account it is HCLOUD_TOKEN's."""
        account = where.account if isinstance(where, ClusterPlan) else None
        settings = account_settings(account)
        token = settings.apply(lambda known: _token(account, known)) if settings else None
        return Provider(name, token=token, opts=opts)

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: Machines install their packages at their first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A network with one subnet, for a location is one failure domain. IPv4 only: IPv6 is public here.

        No firewall of Hetzner's filters it; Machines' own do. Its key among the subnets is the location.
        """
        location = _place(ground).region
        prefix = str(plan.prefixes.ipv4)
        network = Network(
            name, name=_name(name, ground), ip_range=prefix, labels=_labels(ground.scope, _at(ground)), opts=opts
        )
        subnet = NetworkSubnet(
            f"{name}-subnet",
            network_id=_number(network.id),
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
        ipv4, ipv6 = (_primary_ip(plan, family, ground, opts) for family in ("ipv4", "ipv6"))
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
        """A firewall, and a placement group for each ten Machines."""
        labels = _labels(ground.scope, _at(ground))
        sources = [opening.sources or pulumi.Output.from_input(list(WORLD)) for opening in openings]
        ports = [opening.port for opening in openings]
        wall = HcloudFirewall(
            f"{name}-firewall",
            name=_name(f"{name}-firewall", ground),
            rules=pulumi.Output.all(*sources).apply(lambda known: [*_inbound(ports, known), *_outbound(firewall)]),
            labels=labels,
            opts=opts,
        )
        names = [f"{name}-spread-{number}" for number in range(1, -(-machines // SPREAD) + 1)]
        spread = [
            PlacementGroup(each, name=_name(each, ground), type="spread", labels=labels, opts=opts) for each in names
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
            name=_name(name, ground),
            size=plan.volume_gib,
            location=plan.region,
            delete_protection=True,
            labels=_labels(ground.scope, ground.scope.labels(plan)),
            opts=_with(opts, pulumi.ResourceOptions(retain_on_delete=True)),
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
        ipv4, ipv6 = map(_number, boot.address.native_ids)
        found = None if plan.image else _image(plan, opts)
        server = Server(
            plan.name,
            name=_name(plan.name, ground),
            server_type=plan.size.name,
            location=plan.region,
            image=found or plan.image,
            user_data=boot.user_data.apply(_encoded),
            public_nets=[ServerPublicNetArgs(ipv4_enabled=True, ipv4=ipv4, ipv6_enabled=True, ipv6=ipv6)],
            firewall_ids=[_number(firewall) for firewall in group.firewalls],
            placement_group_id=_number(group.spread[_ordinal(plan) // SPREAD]) if group.spread else None,
            backups=plan.snapshots is not None,
            keep_disk=True,  # a smaller size stays possible
            shutdown_before_deletion=True,  # volumes are unmounted, requests answered
            labels=_labels(ground.scope, ground.scope.labels(plan)),
            opts=_with(
                opts,
                pulumi.ResourceOptions(
                    delete_before_replace=True,
                    ignore_changes=["user_data"],
                    replacement_trigger=boot.description,
                ),
            ),
        )
        _attach(plan, server, boot.volume, ground, opts)
        return MachineHandle(plan, server, server.id, server.id, boot.address.ipv4, boot.address.ipv6, found)

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """Never asked for: the plan refuses it (rule `cloud.no-buckets`), for the API has no buckets."""
        raise NotImplementedError("Hetzner's buckets are made over S3, not by its cloud API")

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """Never asked for, as there is no bucket."""
        raise NotImplementedError("Hetzner's cloud API has nothing that holds bundles")


def _token(account: str | None, settings: Mapping[str, str]) -> str:
    """The one setting; any other is a slip that would go unseen. Values are not told."""
    setting = f"hdinfra:account-{account}"
    for key in sorted(settings.keys() - _SETTINGS):
        raise pulumi.RunError(
            f"account `{account}` has the setting `{key}`, and Hetzner takes `token` alone; "
            f"fix: pulumi config rm --path '{setting}.{key}'"
        )
    if not settings.get("token"):
        raise pulumi.RunError(
            f"account `{account}` has no `token`; fix: pulumi config set --secret --path '{setting}.token'"
        )
    return settings["token"]


def _with(opts: pulumi.ResourceOptions, more: pulumi.ResourceOptions) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions.merge(opts, more)


def _place(ground: Ground) -> ClusterPlan:
    if ground.plan is None:
        raise ValueError(f"`{ground.name}` has no plan, and nothing of Hetzner's stands outside a Cluster or place")
    return ground.plan


def _number(native: pulumi.Output[str]) -> pulumi.Output[int]:
    """Hetzner's ids are numbers, Pulumi's are text."""
    return native.apply(int)


def _ordinal(plan: MachinePlan) -> int:
    """How many of its Instance's Machines in this Cluster come before it, whoever comes or goes later."""
    _, _, number = plan.name.rpartition("-")
    return int(number) - 1 if number.isdecimal() else 0


def _name(name: str, ground: Ground) -> str | None:
    """None, for Pulumi to choose one, unless that would be too long; then the same at every run, and nobody else's."""
    if len(name) + _SUFFIX <= LONGEST:
        return None
    scope = ground.scope
    return _short(name, "/".join((scope.project, scope.stack, name, _place(ground).region)))


def _short(text: str, whole: str) -> str:
    digest = hashlib.sha256(whole.encode()).hexdigest()[: _SUFFIX - 1]
    return f"{text[: LONGEST - _SUFFIX].rstrip('-_.')}-{digest}"


def _at(ground: Ground) -> dict[str, str]:
    return {"hdinfra.zone": ground.scope.zone, "hdinfra.place": ground.name}


def _labels(scope: Scope, labels: Mapping[str, str]) -> dict[str, str]:
    """As Hetzner takes them: up to 63 letters, digits, dashes, underscores and dots, at both ends a letter or digit."""
    stack = {"hdinfra.project": scope.project, "hdinfra.stack": scope.stack, "hdinfra.namespace": scope.namespace}
    return {key: _label(value) for key, value in sorted({**stack, **labels}.items())}


def _label(value: str) -> str:
    fitting = re.sub(r"[^A-Za-z0-9_.-]+", "-", value).strip("-_.")
    return fitting if fitting == value and len(value) <= LONGEST else _short(fitting, value)


def _primary_ip(plan: MachinePlan, family: str, ground: Ground, opts: pulumi.ResourceOptions) -> PrimaryIp:
    name = f"{plan.name}-{family}"
    return PrimaryIp(
        name,
        name=_name(name, ground),
        type=family,
        location=plan.region,  # the older `datacenter` is an error since July 2026
        auto_delete=False,  # it outlives its server
        labels=_labels(ground.scope, ground.scope.labels(plan)),
        opts=opts,
    )


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
) -> None:
    """The Machine's private address and its volume. Each goes with its server, and is never in two places at once."""
    bound = _with(opts, pulumi.ResourceOptions(deleted_with=server, delete_before_replace=True, depends_on=[server]))
    if plan.private:
        subnet = ground.networks[-1].subnets[plan.region]
        ServerNetwork(
            f"{plan.name}-private",
            server_id=_number(server.id),
            subnet_id=subnet.native_id,
            ip=str(plan.private.ipv4),
            opts=bound,
        )
    if volume:
        VolumeAttachment(
            f"{plan.name}-volume-attachment",
            server_id=_number(_unlinked(server.id)),
            volume_id=_number(volume.native_id),
            automount=False,
            opts=bound,
        )


def _unlinked(output: pulumi.Output[str]) -> pulumi.Output[str]:
    """The same value, of which the engine does not know that it comes from a resource.

    What takes a property of a server that is made anew is deleted before it: the volume would be torn from a running
    Machine with what is not written yet. So it waits for the server (`depends_on`), whose end frees the volume cleanly.
    """
    value: Any = output.future(with_unknowns=True)
    return pulumi.Output(set(), value, output.is_known(), output.is_secret())


def _inbound(ports: Sequence[int], sources: Sequence[Sequence[str]]) -> Iterator[FirewallRuleArgs]:
    """What is not named is dropped. A rule's sources are of one family, for they are counted by rule."""
    yield FirewallRuleArgs(direction="in", protocol="icmp", source_ips=list(WORLD))
    for port, known in zip(ports, sources, strict=True):
        for networks in _families(known):
            yield FirewallRuleArgs(direction="in", protocol="tcp", port=str(port), source_ips=networks)


def _families(addresses: Iterable[str]) -> list[list[str]]:
    """Networks as the API gives them back, IPv4 and IPv6 apart; a family without any has no rule."""
    networks = sorted({ip_network(address) for address in addresses}, key=lambda n: (n.version, n))
    families = ([str(network) for network in networks if network.version == version] for version in (4, 6))
    return [family for family in families if family]


def _outbound(firewall: Firewall) -> Iterator[FirewallRuleArgs]:
    """One rule is enough to drop all that is not named. These are what Machines' own firewalls let out.

    Sets of addresses come with policy and change without us: to any TCP port then, and Machines' own firewalls narrow
    it to the sets.
    """
    tcp = ("any",) if firewall.outbound_sets else ("53", "80", "443", "9000")
    named = [("icmp", None), *(("tcp", port) for port in tcp), *(("udp", port) for port in ("53", "67", "123", "547"))]
    for protocol, port in named:
        yield FirewallRuleArgs(direction="out", protocol=protocol, port=port, destination_ips=list(WORLD))
