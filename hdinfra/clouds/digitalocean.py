"""DigitalOcean: Droplets that speak from reserved addresses, in a VPC of IPv4 alone, behind a cloud firewall."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pulumi
import pulumi_digitalocean as do  # its submodules cannot be had alone: the package imports them all

from hdinfra.clouds.accounts import settings_of
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
    VolumeHandle,
)
from hdinfra.clouds.firewalls import WORLD
from hdinfra.clouds.names import cut
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan
from hdinfra.model.spec import SnapshotsSpec

IMAGE = "debian-13-x64"

_SPACES = {"nyc1": "nyc3", "nyc2": "nyc3"}
"""Regions without Spaces, and the one of the same city that has them (docs/products/spaces/details/availability)."""
_VOLUME = 56  # characters: the 64 of a volume's name less what Pulumi appends
_TEXT = 255  # characters of a tag, and of a description
_KEYS = ("spaces_access_id", "spaces_secret_key")


class DigitalOceanCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`.

    A Droplet's own addresses are never told to anybody: `/usr/lib/hdinfra/droplet` makes the reserved ones, which the
    Machine is given once it runs, those that it speaks from. DigitalOcean mails a root password for every Droplet that
    has no SSH key: it opens the console of the control panel and nothing else, for no firewall lets port 22 in.
    """

    def given(self, account: str | None) -> frozenset[str]:
        """Names of the account's settings: its token, and keys of Spaces."""
        return frozenset(_settings(account))

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """With an account's token and Spaces keys, or those of DIGITALOCEAN_TOKEN and SPACES_*."""
        account = None if isinstance(where, str) else where.account
        given = _settings(account)
        return do.Provider(
            name,
            token=given.get("token"),
            spaces_access_id=given.get("spaces_access_id"),
            spaces_secret_key=given.get("spaces_secret_key"),
            opts=opts,
        )

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: packages are installed at the first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A VPC, from which nothing leads to the Internet; backups belong to the Droplets."""
        vpc = do.Vpc(
            name,
            region=ground.place.region,
            ip_range=str(plan.prefixes.ipv4),
            description=" ".join(_tags(_labels(ground.scope)))[:_TEXT],
            opts=opts,
        )
        return NetworkHandle(vpc, vpc.id)

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """One reserved address of each family. An account may have three until DigitalOcean raises that on request."""
        ipv4 = do.ReservedIp(f"{plan.name}-ipv4", region=plan.region, opts=opts)
        ipv6 = do.ReservedIpv6(f"{plan.name}-ipv6", region_slug=plan.region, opts=opts)
        return AddressHandle(ipv4.ip_address, ipv6.ip, (ipv4.id, ipv6.id))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """A firewall for whatever has its tag, and a tag of which nobody else knows.

        By number a Droplet would exist before its firewall knew of it, and ten were the limit. Whoever takes the tag
        waits for the firewall.
        """
        tag = do.Tag(f"{name}-tag", opts=opts)
        made = do.Firewall(
            f"{name}-firewall",
            tags=[tag.name],
            inbound_rules=_inbound(openings),
            outbound_rules=_outbound(firewall),
            opts=opts,
        )
        return GroupHandle((pulumi.Output.all(tag.name, made.id).apply(lambda known: str(known[0])),))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """Encrypted at rest as all volumes are. It stays when its Machine leaves the plan, and costs until someone
        deletes it: data is not lost by an edit of a spec. Backups of Droplets do not hold it."""
        if plan.volume_gib is None:
            return None
        volume = do.Volume(
            _volume_name(plan),
            region=plan.region,
            size=plan.volume_gib,
            tags=_tags(_labels(ground.scope, plan)),
            opts=extended(opts, retain_on_delete=True),
        )
        device = volume.name.apply(lambda known: f"/dev/disk/by-id/scsi-0DO_Volume_{known}")
        return VolumeHandle(volume, volume.id, device)

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A Droplet, to which its addresses and its volume move when it runs.

        No agent of DigitalOcean's: one would manage SSH keys and the reserved IPv6 address, the other need ways out.
        """
        if boot.address is None or boot.group is None:
            raise ValueError(
                f"`{plan.name}` was given no address or no firewall; on DigitalOcean every Machine has both"
            )
        tags, image = _tags(_labels(ground.scope, plan)), _image(plan, opts)
        droplet = do.Droplet(
            plan.name,
            name=plan.name,
            region=plan.region,
            size=plan.size.name,
            image=image,
            vpc_uuid=ground.networks[-1].native_id,
            ipv6=True,
            monitoring=False,
            droplet_agent=False,
            backups=plan.snapshots is not None,
            backup_policy=_backup_policy(plan.snapshots),
            # It waits for firewall and addresses, and so goes before them: nobody gives up an address that is in use.
            tags=pulumi.Output.all(*boot.group.firewalls, *boot.address.native_ids).apply(
                lambda known: [*tags, known[0]]
            ),
            user_data=boot.user_data,
            opts=extended(opts, ignore_changes=["userData"], replacement_trigger=boot.description),
        )
        number = droplet.id.apply(int)
        assigned = _assign(plan.name, boot.address, droplet, number, opts)
        _attach(plan.name, boot.volume, number, opts)
        return MachineHandle(
            plan,
            droplet,
            native_id=droplet.id,
            # Policy is brought to a Machine once it has its addresses.
            generation=pulumi.Output.all(droplet.id, *assigned).apply(lambda known: str(known[0])),
            ipv4=boot.address.ipv4,
            ipv6=boot.address.ipv6,
            image=None if plan.image else image,
            group=boot.group,
        )

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """A regional one, which takes in whatever Droplet has the group's tag. By number ten would be the limit."""
        behind, group = machines[0].plan.balancer, machines[0].group
        if behind is None or group is None:
            raise ValueError(f"`{name}` is asked for before Machines that were planned without it")
        made = do.LoadBalancer(
            name,
            region=ground.place.region,
            type="REGIONAL",
            network_stack="DUALSTACK",
            size_unit=1,
            vpc_uuid=ground.networks[-1].native_id,
            droplet_tag=group.firewalls[0],
            enable_proxy_protocol=behind.header,
            forwarding_rules=[
                do.LoadBalancerForwardingRuleArgs(
                    entry_port=port, entry_protocol="tcp", target_port=port, target_protocol="tcp"
                )
                for port in (80, 443)
            ],
            healthcheck=do.LoadBalancerHealthcheckArgs(
                protocol="http",
                port=health.port,
                path=health.path,
                check_interval_seconds=health.every_seconds,
                response_timeout_seconds=health.timeout_seconds,
                healthy_threshold=health.successes,
                unhealthy_threshold=health.failures,
            ),
            opts=opts,
        )
        return BalancerHandle(made, (made.ip,), (made.ipv6,))

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """A Space that nobody may list; its objects say themselves that anybody may read them."""
        region = ground.place.region
        bucket = do.SpacesBucket(name, region=_SPACES.get(region, region), acl="private", opts=opts)
        return BucketHandle(bucket, bucket.name, bucket.bucket_domain_name.apply(lambda host: f"https://{host}"))

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """An object of the Space; another computer's path uploads the same bytes once more."""
        if not isinstance(store, BucketHandle):
            raise TypeError(f"on DigitalOcean bundles lie in a Space, not in {store!r:.80}")
        region = ground.place.region
        made = do.SpacesBucketObject(
            f"{ground.name}-bundle-{bundle.role}",
            region=_SPACES.get(region, region),
            bucket=store.native_id,
            key=bundle.file_name,
            source=str(path),
            acl="public-read",
            content_type="application/x-tar",
            opts=opts,
        )
        return BundleHandle(made, pulumi.Output.all(store.url, made.key).apply("/".join))


def _settings(account: str | None) -> dict[str, pulumi.Output[str]]:
    return settings_of(account, known=("token", *_KEYS), required=("token",), pair=_KEYS)


def _volume_name(plan: MachinePlan) -> str:
    name = f"{plan.name}-volume"
    return name if len(name) <= _VOLUME else cut(name, name, _VOLUME)


def _image(plan: MachinePlan, opts: pulumi.ResourceOptions) -> pulumi.Output[str]:
    """The number of the image: DigitalOcean's own names mean newer ones from time to time."""
    if plan.image is not None:
        return pulumi.Output.from_input(plan.image)
    found = do.get_image_output(slug=IMAGE, opts=pulumi.InvokeOutputOptions(parent=opts.parent, provider=opts.provider))
    return found.apply(lambda image: str(image.id))


def _assign(
    name: str, address: AddressHandle, droplet: do.Droplet, number: pulumi.Output[int], opts: pulumi.ResourceOptions
) -> tuple[pulumi.Output[str], pulumi.Output[str]]:
    """The addresses move: assigned to a new Droplet, they leave the old one by themselves. So they do when a Droplet is
    deleted: the provider is not asked, for it breaks off where an address is assigned to nobody."""
    moved = extended(opts, deleted_with=droplet)
    ipv4 = do.ReservedIpAssignment(f"{name}-ipv4-assignment", ip_address=address.ipv4, droplet_id=number, opts=moved)
    ipv6 = do.ReservedIpv6Assignment(f"{name}-ipv6-assignment", ip=address.ipv6, droplet_id=number, opts=moved)
    return ipv4.id, ipv6.id


def _attach(name: str, volume: VolumeHandle | None, number: pulumi.Output[int], opts: pulumi.ResourceOptions) -> None:
    if volume is None:
        return
    do.VolumeAttachment(
        f"{name}-attachment",
        droplet_id=number,
        volume_id=volume.native_id,
        # A volume is attached to one Droplet: away from the old one first. Nothing depends on the attachment.
        opts=extended(opts, delete_before_replace=True),
    )


def _backup_policy(snapshots: SnapshotsSpec | None) -> do.DropletBackupPolicyArgs | None:
    """How long they are kept is DigitalOcean's choice, which the plan has agreed to: 7 days, or 4 weeks."""
    if snapshots is None:
        return None
    if snapshots.every == "day":
        return do.DropletBackupPolicyArgs(plan="daily", hour=4)
    return do.DropletBackupPolicyArgs(plan="weekly", weekday="SUN", hour=4)


def _inbound(openings: Sequence[Opening]) -> pulumi.Output[list[do.FirewallInboundRuleArgs]]:
    """What is open to nobody yet has no rule, for a rule without sources is refused."""
    return pulumi.Output.all(*(opening.sources or list(WORLD) for opening in openings)).apply(
        lambda known: [
            do.FirewallInboundRuleArgs(protocol="icmp", source_addresses=list(WORLD)),
            *(
                do.FirewallInboundRuleArgs(
                    protocol=opening.protocol, port_range=str(opening.port), source_addresses=sources
                )
                for opening, sources in zip(openings, known, strict=True)
                if sources
            ),
        ]
    )


def _outbound(firewall: Firewall) -> list[do.FirewallOutboundRuleArgs]:
    """As the Machine's own. Whom it may reach beyond that comes with its policy, which changes while it runs: so here
    it is all of TCP, and the Machine's sets of addresses and ports are what narrows it; UDP likewise, at its ports."""
    tcp = ("1-65535",) if firewall.outbound_sets else ("53", "80", "443", "9000")
    udp = ("53", "67", "123", "547", *(str(port) for port in sorted(firewall.outbound_udp)))
    ports = [*(("tcp", ports) for ports in tcp), *(("udp", port) for port in udp)]
    return [
        do.FirewallOutboundRuleArgs(protocol="icmp", destination_addresses=list(WORLD)),
        *(
            do.FirewallOutboundRuleArgs(protocol=protocol, port_range=port, destination_addresses=list(WORLD))
            for protocol, port in ports
        ),
    ]


def _labels(scope: Scope, plan: MachinePlan | None = None) -> dict[str, str]:
    return scope.own_labels | (scope.labels(plan) if plan else {"hdinfra.zone": scope.zone})


def _tags(labels: Mapping[str, str]) -> list[str]:
    """`hdinfra-zone:india`: lower case, for DigitalOcean takes no notice of it."""
    pairs = (f"{key.replace('.', '-')}:{value}" for key, value in sorted(labels.items()))
    return [re.sub(r"[^a-z0-9:_-]", "-", pair.lower())[:_TEXT] for pair in pairs]
