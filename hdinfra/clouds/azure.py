"""Azure: a resource group a Cluster, virtual machines behind a network interface that outlives them, managed disks.

What it lacks, and the limits named here, are in model/providers/azure.toml with their sources.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pulumi
from pulumi_azure_native import Provider, compute, network, resources, storage

from hdinfra.clouds import azure_rules
from hdinfra.clouds.accounts import settings_of
from hdinfra.clouds.azure_aliases import as_named_today
from hdinfra.clouds.azure_balancer import declare_balancer, public_address
from hdinfra.clouds.azure_machine import (
    declare_interface,
    declare_machine,
    own_zones,
    private_addresses,
    version_of,
)
from hdinfra.clouds.azure_network import account_name, declare_network, network_of, sized, tags, zones_of
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
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan

_DEVICE = "/dev/disk/azure/scsi1/lun0"
"""By 66-azure-storage.rules of Debian's package waagent 2.12, which Azure's market wants in every image."""
_CONTAINER = "bundles"
_WHO = ("subscription_id", "tenant_id", "client_id")
_PROOFS = ("client_secret", "oidc_token", "oidc_token_file_path")


class AzureCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`. Made for one Cluster or place, whose volumes' group it declares once."""

    def __init__(self) -> None:
        self._kept: dict[str, resources.ResourceGroup] = {}

    def given(self, account: str | None) -> frozenset[str]:
        """Names of the account's settings: who an application is, and one proof."""
        return frozenset(_credentials(account))

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """One subscription, as an application registered in its tenant; without an account the environment's."""
        account = where.account if isinstance(where, ClusterPlan) else None
        made: pulumi.ProviderResource = Provider(name, **_credentials(account), opts=opts)
        return made

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: packages are installed at the first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A virtual network of both families, whose IPv6 part Azure translates to public addresses one to one."""
        return declare_network(name, plan, ground, opts)

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """Two standard addresses, over all zones, which a Machine's interface has in each of its two families."""
        opts = as_named_today(opts)
        ipv4, ipv6 = (public_address(f"{plan.name}-address", family, ground, opts) for family in ("ipv4", "ipv6"))
        return AddressHandle(_given(ipv4), _given(ipv6), (ipv4.id, ipv6.id))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """A security group; and where a region has no zones, an availability set, which keeps Machines on two racks."""
        opts, home = as_named_today(opts), network_of(ground)
        sources = [pulumi.Output.from_input(opening.sources or []) for opening in openings]
        wall = network.NetworkSecurityGroup(
            f"{name}-firewall",
            resource_group_name=home.group.name,
            network_security_group_name=sized(f"{name}-firewall"),
            location=ground.place.region,
            security_rules=pulumi.Output.all(*sources).apply(
                lambda known: azure_rules.of_machines(openings, known, firewall)
            ),
            tags=tags(ground),
            opts=opts,
        )
        if zones_of(ground.place.region):
            return GroupHandle((wall.id,))
        spread = compute.AvailabilitySet(
            f"{name}-spread",
            resource_group_name=home.group.name,
            availability_set_name=sized(f"{name}-spread"),
            location=ground.place.region,
            sku={"name": "Aligned"},  # of managed disks
            platform_fault_domain_count=2,  # what every region has
            platform_update_domain_count=5,
            tags=tags(ground),
            opts=opts,
        )
        return GroupHandle((wall.id,), (spread.id,))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """A disk in the Machine's zone. `destroy` leaves it and the group in which it lies until somebody deletes them:
        a resource group that goes takes along all that it has."""
        if plan.volume_gib is None:
            return None
        name = f"{plan.name}-volume"
        disk = compute.Disk(
            name,
            resource_group_name=self._group_of_volumes(ground).name,
            disk_name=sized(name),
            location=plan.region,
            creation_data={"create_option": "Empty"},
            disk_size_gb=plan.volume_gib,
            sku={"name": "Premium_LRS"},
            zones=own_zones(plan),
            # Encrypted with a key of Azure's by itself. Nobody reads or writes it but through its Machine.
            network_access_policy="DenyAll",
            public_network_access="Disabled",
            tags=tags(ground, ground.scope.labels(plan)),
            # Azure refuses to move a disk, which the provider would try.
            opts=extended(as_named_today(opts), retain_on_delete=True, replace_on_changes=["zones"]),
        )
        return VolumeHandle(disk, disk.id, disk.id.apply(lambda _: _DEVICE))

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A virtual machine behind an interface that keeps its addresses when it is made anew (docs/decisions, 21)."""
        if boot.address is None or boot.group is None:
            raise ValueError(f"`{plan.name}` was planned on Azure without an address or a firewall")
        opts = as_named_today(opts)
        interface = declare_interface(plan, boot.address, boot.group, ground, opts)
        made = declare_machine(plan, boot, interface, ground, opts)
        image = made.storage_profile.apply(version_of)
        return MachineHandle(
            plan,
            made,
            made.id,
            made.vm_id,
            boot.address.ipv4,
            boot.address.ipv6,
            None if plan.image else image,
        )

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """A standard load balancer, which changes no packet but for whom it is."""
        inside = [private_addresses(machine.plan, ground) for machine in machines]
        by_family: dict[str, list[pulumi.Input[str]]] = {
            "ipv4": [ipv4 for ipv4, _ in inside],
            "ipv6": [ipv6 for _, ipv6 in inside],
        }
        return declare_balancer(name, by_family, health, ground, as_named_today(opts))

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """A container of a storage account, whose blobs anybody may read and nobody list. Its name has IPv4 alone."""
        opts, home, region = as_named_today(opts), network_of(ground), ground.place.region
        account = storage.StorageAccount(
            name,
            resource_group_name=home.group.name,
            account_name=account_name(home.group, name),
            location=region,
            kind="StorageV2",
            sku={"name": "Standard_ZRS" if zones_of(region) else "Standard_LRS"},
            allow_blob_public_access=True,
            allow_cross_tenant_replication=False,
            enable_https_traffic_only=True,
            minimum_tls_version="TLS1_2",
            tags=tags(ground),
            opts=opts,
        )
        container = storage.BlobContainer(
            f"{name}-container",
            resource_group_name=home.group.name,
            account_name=account.name,
            container_name=_CONTAINER,
            public_access=storage.PublicAccess.BLOB,  # `CONTAINER` would let everybody list
            opts=opts,
        )
        url = pulumi.Output.all(account.name, container.id).apply(
            lambda known: f"https://{known[0]}.blob.core.windows.net/{_CONTAINER}"
        )
        return BucketHandle(account, account.name, url)

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """A blob, named by its content."""
        if not isinstance(store, BucketHandle):
            raise TypeError(f"on Azure bundles lie in a bucket, not in {store!r:.80}")
        made = storage.Blob(
            f"{ground.name}-bundles-{bundle.role}",
            resource_group_name=network_of(ground).group.name,
            account_name=store.native_id,
            container_name=store.url.apply(lambda _: _CONTAINER),  # once it is there
            blob_name=bundle.file_name,
            source=pulumi.FileAsset(str(path)),
            content_type="application/x-tar",
            opts=as_named_today(opts),
        )
        url = pulumi.Output.all(store.url, made.id).apply(lambda known: f"{known[0]}/{bundle.file_name}")
        return BundleHandle(made, url)

    def _group_of_volumes(self, ground: Ground) -> resources.ResourceGroup:
        if ground.name not in self._kept:
            parent = network_of(ground).resource  # whoever's volume is the first
            self._kept[ground.name] = resources.ResourceGroup(
                f"{ground.name}-volumes",
                location=ground.place.region,
                tags=tags(ground),
                opts=extended(as_named_today(ground.options(parent)), retain_on_delete=True),
            )
        return self._kept[ground.name]


def _credentials(account: str | None) -> dict[str, Any]:
    """The account's settings as the provider takes them; RunError for one that nobody could log in with."""
    given = settings_of(account, known=(*_WHO, *_PROOFS), required=_WHO)
    if given and sum(name in given for name in _PROOFS) != 1:
        raise pulumi.RunError(
            f"account `{account}` proves who it is by exactly one of {', '.join(_PROOFS)}; "
            f"fix: pulumi config set --secret --path 'hdinfra:account-{account}.client_secret' …"
        )
    by_token = {"use_oidc": True} if given and "client_secret" not in given else {}
    return {**given, **by_token}


def _given(address: network.PublicIPAddress) -> pulumi.Output[str]:
    # A static one has it from the beginning, though the SDK knows those that have not.
    known: pulumi.Output[str] = address.ip_address.apply(lambda known: known or "")
    return known
