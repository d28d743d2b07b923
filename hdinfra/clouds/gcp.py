"""Google Cloud: a VPC a Cluster, Compute Engine Machines, persistent disks that outlive them, and a bucket."""

import base64
from collections.abc import Mapping, Sequence
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pulumi
from pulumi_gcp import Provider, compute, storage

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
    SubnetHandle,
    VolumeHandle,
)
from hdinfra.clouds.gcp_balancer import declare_balancer
from hdinfra.clouds.gcp_names import labels_of, name_of, own_labels
from hdinfra.clouds.gcp_network import declare_firewall, declare_network, declare_snapshots
from hdinfra.clouds.names import ordinal_of
from hdinfra.clouds.options import extended
from hdinfra.machine.bundle import Bundle
from hdinfra.machine.cloud_init import compressed
from hdinfra.machine.machine import Firewall
from hdinfra.machine.sources import asset
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan

IMAGES: Mapping[str, str] = {"amd64": "debian-13", "arm64": "debian-13-arm64"}
"""Image families of the project `debian-cloud`, by architecture (docs.cloud.google.com, operating systems)."""

SPREAD = 8
"""Machines in one spread placement policy, each in an availability domain of its own."""

_SPREADABLE = ("n2-",)  # of the series in gcp.toml; Google keeps others apart by default, and takes no policy for them
_ROOT_GIB = 20  # the image's own 10 GiB would not hold sites' caches beside logs
_DISK = "pd-balanced"
_VOLUME = "hdinfra-volume"
_SETTINGS = ("project", "credentials", "access_token", "impersonate_service_account", "kms_key")


class GcpCloud:
    """Implements `hdinfra.clouds.cloud.Cloud`. Made for one Cluster or place, whose image it looks up once."""

    def __init__(self) -> None:
        self._images: dict[tuple[str, str], pulumi.Output[str]] = {}
        self._snapshots: dict[str, pulumi.Output[str]] = {}

    def given(self, account: str | None) -> frozenset[str]:
        """Names of the account's settings: a project, who asks, and a key of its own."""
        return frozenset(settings_of(account, known=_SETTINGS))

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """One project in one region, as the account's settings say or as the environment does."""
        region, account = (where, None) if isinstance(where, str) else (where.region, where.account)
        told = settings_of(account, known=_SETTINGS)
        told.pop("kms_key", None)  # it is not the provider's, but each disk's
        made: pulumi.ProviderResource = Provider(name, region=region, **told, opts=opts)
        return made

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> dict[str, ImageHandle]:
        """None: packages are installed at the first boot."""
        return {}

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A VPC of our own, and when its disks are copied. What is private reaches no Internet: there is no NAT."""
        if ground.place.snapshots:
            policy = declare_snapshots(name, ground.place.snapshots, ground, opts)
            self._snapshots[ground.name] = policy.name
        return declare_network(name, plan, ground, opts)

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """Two static addresses. The IPv6 one is the first of a /96 of its subnet, as DHCPv6 tells the Machine."""
        subnet = _subnet_of(plan, ground)
        of_ipv6 = {"ip_version": "IPV6", "ipv6_endpoint_type": "VM", "subnetwork": subnet.native_id}
        made = {
            family: compute.Address(
                f"{plan.name}-{family}",
                name=name_of(f"{plan.name}-{family}", ground),
                region=plan.region,
                address_type="EXTERNAL",
                network_tier="PREMIUM",  # the one that has IPv6
                labels=labels_of(ground.scope, ground.scope.labels(plan)),
                opts=opts,
                **more,
            )
            for family, more in (("ipv4", {}), ("ipv6", of_ipv6))
        }
        return AddressHandle(made["ipv4"].address, made["ipv6"].address.apply(_first))

    def group(  # noqa: PLR0913, PLR0917  the protocol's
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle:
        """Firewall rules for a network tag, and a placement policy for each eight Machines."""
        tag = declare_firewall(f"{name}-firewall", firewall, openings, ground, opts)
        spread = [f"{name}-spread-{number}" for number in range(1, -(-machines // SPREAD) + 1)]
        policies = [
            compute.ResourcePolicy(
                each,
                name=name_of(each, ground),
                region=ground.place.region,
                group_placement_policy={"availability_domain_count": SPREAD},
                opts=opts,
            )
            for each in spread
        ]
        return GroupHandle((tag,), tuple(policy.id for policy in policies))

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """A persistent disk in the Machine's zone, which grows in place. It is never deleted with its Machine, nor by
        `destroy`: it stays, labelled with where it was, until somebody deletes it at Google."""
        if plan.volume_gib is None:
            return None
        name = f"{plan.name}-volume"
        key = _key(ground)
        volume = compute.Disk(
            name,
            name=name_of(name, ground),
            zone=plan.zone,
            size=plan.volume_gib,
            type=_DISK,
            disk_encryption_key={"kms_key_self_link": key} if key else None,
            labels=labels_of(ground.scope, ground.scope.labels(plan)),
            # Another key is for new disks: with it, this one would be another one, and empty.
            opts=extended(opts, retain_on_delete=True, ignore_changes=["diskEncryptionKey"]),
        )
        self._copy(name, volume.name, plan, ground, opts)
        # What the guest environment's udev rules make of the name under which a disk is attached.
        return VolumeHandle(volume, volume.id, pulumi.Output.from_input(f"/dev/disk/by-id/google-{_VOLUME}"))

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """An instance. One that is made anew is gone first, for addresses and volume have one instance at a time."""
        if boot.address is None or boot.group is None:
            raise ValueError(f"`{plan.name}` was planned on Google Cloud without an address or a firewall")
        image = plan.image or self._image(plan, ground)
        instance = compute.Instance(
            plan.name,
            name=name_of(plan.name, ground),
            zone=plan.zone,
            machine_type=plan.size.name,
            allow_stopping_for_update=True,  # another size is no other Machine
            boot_disk=_boot_disk(image, ground),
            attached_disks=_attached(boot.volume),
            network_interfaces=[_interface(plan, boot.address, ground)],
            can_ip_forward=False,
            tags=list(boot.group.firewalls),
            resource_policies=_policies(plan, boot.group),
            shielded_instance_config=_shield(plan),
            metadata=_metadata(boot),
            labels=labels_of(ground.scope, ground.scope.labels(plan)),
            opts=extended(
                opts,
                # User data has a new token at each run; a newer image or another key is for new Machines.
                ignore_changes=[
                    'metadata["user-data"]',
                    "bootDisk.initializeParams.image",
                    "bootDisk.kmsKeySelfLink",
                ],
                replacement_trigger=boot.description,
                delete_before_replace=True,
                additional_secret_outputs=["metadata"],
            ),
        )
        self._copy(f"{plan.name}-root", instance.name, plan, ground, opts)
        found = None if plan.image else pulumi.Output.from_input(image)
        made = instance.instance_id
        return MachineHandle(plan, instance, instance.id, made, boot.address.ipv4, boot.address.ipv6, found)

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """A regional passthrough balancer, which keeps visitors' addresses and has both families."""
        return declare_balancer(name, machines, health, ground, opts)

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """A bucket in the Cluster's region, under Google's dual stack name. A project whose organisation forbids public
        buckets refuses its readers; there, fill an address of your own (`bundles.url`)."""
        bucket = storage.Bucket(
            name,
            name=name_of(name, ground),
            location=ground.place.region,
            uniform_bucket_level_access=True,
            public_access_prevention="inherited",
            labels=own_labels(ground),
            opts=opts,
        )
        readers = storage.BucketIAMMember(
            f"{name}-readers",
            bucket=bucket.name,
            role="roles/storage.legacyObjectReader",  # reads what it can name, and lists nothing
            member="allUsers",
            opts=opts,
        )
        url = pulumi.Output.all(bucket.name, readers.id).apply(
            lambda known: f"https://storage.googleapis.com/{known[0]}"
        )
        return BucketHandle(bucket, bucket.name, url)

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """An object, named by its content."""
        if not isinstance(store, BucketHandle):
            raise TypeError(f"on Google Cloud bundles lie in a bucket, not in {store!r:.80}")
        made = storage.BucketObject(
            f"{ground.name}-bundles-{bundle.role}",
            bucket=store.native_id,
            name=bundle.file_name,
            source=pulumi.FileAsset(str(path)),
            content_type="application/x-tar",
            opts=opts,
        )
        url = pulumi.Output.all(store.url, made.id).apply(lambda known: f"{known[0]}/{bundle.file_name}")
        return BundleHandle(made, url)

    def _copy(
        self, name: str, disk: pulumi.Output[str], plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions
    ) -> None:
        if plan.snapshots is None:
            return
        compute.DiskResourcePolicyAttachment(
            f"{name}-snapshots",
            disk=disk,
            name=self._snapshots[ground.name],
            zone=plan.zone,
            opts=extended(opts, delete_before_replace=True),  # a disk has one schedule at a time
        )

    def _image(self, plan: MachinePlan, ground: Ground) -> pulumi.Output[str]:
        key = (ground.name, plan.size.arch)
        if key not in self._images:
            found = compute.get_image_output(
                family=IMAGES[plan.size.arch],
                project="debian-cloud",
                opts=pulumi.InvokeOutputOptions(parent=ground.provider, provider=ground.provider),
            )
            self._images[key] = found.self_link
        return self._images[key]


def _key(ground: Ground) -> pulumi.Output[str] | None:
    """The account's own key for disks, of Cloud KMS; without one Google encrypts them with its own."""
    return settings_of(ground.place.account, known=_SETTINGS).get("kms_key")


def _subnet_of(plan: MachinePlan, ground: Ground) -> SubnetHandle:
    return ground.networks[-1].subnets[plan.zone or ""]


def _first(address: str | None) -> str:
    # Under stock mocks the engine answers nothing.
    return str(IPv6Address((address or "::").partition("/")[0]))


def _boot_disk(image: pulumi.Input[str], ground: Ground) -> dict[str, Any]:
    """Without labels: others would be another Machine."""
    key = _key(ground)
    return {
        "auto_delete": True,
        "initialize_params": {"image": image, "size": _ROOT_GIB, "type": _DISK},
        **({"kms_key_self_link": key} if key else {}),
    }


def _attached(volume: VolumeHandle | None) -> list[dict[str, Any]]:
    return [{"source": volume.native_id, "device_name": _VOLUME}] if volume else []


def _interface(plan: MachinePlan, address: AddressHandle, ground: Ground) -> dict[str, Any]:
    return {
        "subnetwork": _subnet_of(plan, ground).native_id,
        "network_ip": str(plan.private.ipv4) if plan.private else None,
        "stack_type": "IPV4_IPV6",
        "access_configs": [{"nat_ip": address.ipv4, "network_tier": "PREMIUM"}],
        "ipv6_access_configs": [
            {
                "name": "external-ipv6",
                "external_ipv6": address.ipv6,
                "external_ipv6_prefix_length": "96",
                "network_tier": "PREMIUM",
            }
        ],
    }


def _policies(plan: MachinePlan, group: GroupHandle) -> pulumi.Output[str] | None:
    if not plan.size.name.startswith(_SPREADABLE):
        return None
    return group.spread[ordinal_of(plan) // SPREAD]


def _shield(plan: MachinePlan) -> dict[str, bool]:
    """Debian's ARM images are not among those that Google lists for Secure Boot."""
    return {
        "enable_secure_boot": plan.size.arch == "amd64",
        "enable_vtpm": True,
        "enable_integrity_monitoring": True,
    }


def _metadata(boot: Boot) -> dict[str, pulumi.Input[str]]:
    """Nobody logs in: no key of the project's, no console. The startup script hands the user data to cloud-init."""
    return {
        "block-project-ssh-keys": "TRUE",
        "enable-oslogin": "TRUE",
        "serial-port-enable": "FALSE",
        "startup-script": asset("gcp_startup.sh"),
        "hdinfra-meta-data": boot.meta_data,
        "user-data-encoding": "base64",
        "user-data": boot.user_data.apply(_encoded),
    }


def _encoded(text: str) -> str:
    return base64.b64encode(compressed(text)).decode()
