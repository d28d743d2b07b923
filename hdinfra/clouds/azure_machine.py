"""A virtual machine on Azure, and the interface that outlives it with its addresses (docs/decisions, 21)."""

import base64
from collections.abc import Mapping
from ipaddress import IPv6Network
from typing import Any

import pulumi
from pulumi_azure_native import compute, network

from hdinfra.clouds.azure_key import nobodys_key
from hdinfra.clouds.azure_network import network_of, sized, tags
from hdinfra.clouds.cloud import AddressHandle, Boot, Ground, GroupHandle, SubnetHandle, VolumeHandle
from hdinfra.clouds.options import extended
from hdinfra.machine.cloud_init import compressed
from hdinfra.model.plan import MachinePlan

IMAGES: Mapping[str, str] = {"amd64": "13-gen2", "arm64": "13-arm64"}
"""By architecture the plan (sku) of publisher Debian and offer debian-13, both of the second generation:
wiki.debian.org/Cloud/MicrosoftAzure. Their cloud-init reads what we tell; waagent leaves it to that."""

_USER = "nobody-logs-in"
_ROOT_GIB = 30  # the image's own size, and the smallest that is billed apart


def private_addresses(plan: MachinePlan, ground: Ground) -> tuple[str, pulumi.Output[str]]:
    """The Machine's own in its subnet, in both families; ValueError for one that was planned without a number."""
    if plan.private is None:
        raise ValueError(f"`{plan.name}` was planned on Azure without a number in its network")
    block = pulumi.Output.from_input(_subnet_of(plan, ground).ipv6)
    number = plan.private.ipv4.packed[-1]
    return str(plan.private.ipv4), block.apply(lambda known: str(IPv6Network(known or "::/64")[number]))


def own_zones(plan: MachinePlan) -> list[str] | None:
    """The Machine's one availability zone, where its region has such."""
    return [plan.zone] if plan.zone else None


def declare_interface(
    plan: MachinePlan, address: AddressHandle, group: GroupHandle, ground: Ground, opts: pulumi.ResourceOptions
) -> network.NetworkInterface:
    """What has a Machine's addresses, private and public of each family, and its security group."""
    name, subnet = f"{plan.name}-interface", _subnet_of(plan, ground)
    families: list[Any] = [
        {
            "name": version.lower(),
            "primary": version == "IPv4",
            "private_ip_address_version": version,
            "private_ip_allocation_method": "Static",
            "private_ip_address": own,
            "public_ip_address": {"id": native_id},
            "subnet": {"id": subnet.native_id},
        }
        for version, own, native_id in zip(
            ("IPv4", "IPv6"), private_addresses(plan, ground), address.native_ids, strict=True
        )
    ]
    return network.NetworkInterface(
        name,
        resource_group_name=network_of(ground).group.name,
        network_interface_name=sized(name),
        location=plan.region,
        ip_configurations=families,
        network_security_group={"id": group.firewalls[0]},
        tags=tags(ground, ground.scope.labels(plan)),
        opts=opts,
    )


def declare_machine(
    plan: MachinePlan,
    boot: Boot,
    interface: network.NetworkInterface,
    ground: Ground,
    opts: pulumi.ResourceOptions,
) -> compute.VirtualMachine:
    """No identity, for a Machine asks nothing of Azure; no agent, for nobody has commands run in it from outside."""
    return compute.VirtualMachine(
        plan.name,
        resource_group_name=network_of(ground).group.name,
        vm_name=sized(plan.name, 64),
        location=plan.region,
        zones=own_zones(plan),
        hardware_profile={"vm_size": plan.size.name},
        os_profile=_os_profile(plan, boot),
        storage_profile=_storage_profile(plan, boot.volume),
        **_around(boot, interface),
        diagnostics_profile={"boot_diagnostics": {"enabled": False}},  # without it there is no serial console
        tags=tags(ground, ground.scope.labels(plan)),
        opts=extended(
            opts,
            # User data has a new token at each run, and a newer image is for new Machines: Azure refuses both later on.
            ignore_changes=["osProfile", "storageProfile.imageReference"],
            replace_on_changes=["zones"],
            replacement_trigger=boot.description,
            delete_before_replace=True,  # an interface and a disk belong to one machine at a time
            additional_secret_outputs=["osProfile"],
        ),
    )


def _around(boot: Boot, interface: network.NetworkInterface) -> dict[str, Any]:
    """What a machine hangs on, and that it boots nothing but what is signed."""
    faces = [{"id": interface.id, "primary": True, "delete_option": "Detach"}]
    spread = boot.group.spread if boot.group else ()
    return {
        "network_profile": {"network_interfaces": faces},
        "security_profile": {
            "security_type": "TrustedLaunch",
            "uefi_settings": {"secure_boot_enabled": True, "v_tpm_enabled": True},
        },
        **({"availability_set": {"id": spread[0]}} if spread else {}),
    }


def _os_profile(plan: MachinePlan, boot: Boot) -> Any:
    return {
        "computer_name": plan.name,
        "admin_username": _USER,
        "custom_data": boot.user_data.apply(_encoded),
        "allow_extension_operations": False,
        "linux_configuration": {
            "disable_password_authentication": True,
            "provision_vm_agent": False,
            "ssh": {
                "public_keys": [{"path": f"/home/{_USER}/.ssh/authorized_keys", "key_data": nobodys_key()}],
            },
        },
    }


def _storage_profile(plan: MachinePlan, volume: VolumeHandle | None) -> Any:
    image = {"publisher": "Debian", "offer": "debian-13", "sku": IMAGES[plan.size.arch]}
    kept = {
        "lun": 0,
        "create_option": "Attach",
        "managed_disk": {"id": volume.native_id if volume else None},
        "caching": compute.CachingTypes.NONE,
        "delete_option": "Detach",
    }
    return {
        "image_reference": {**image, "version": plan.image or "latest"},  # what it was then is told by the machine
        "os_disk": {
            "create_option": "FromImage",
            "disk_size_gb": _ROOT_GIB,
            "managed_disk": {"storage_account_type": "Premium_LRS"},
            "caching": compute.CachingTypes.READ_WRITE,
            "delete_option": "Delete",
        },
        "data_disks": [kept] if volume else [],
        "disk_controller_type": "SCSI",
    }


def version_of(profile: Any) -> str:
    """Under stock mocks the engine answers nothing, or what it was told."""
    image = getattr(profile, "image_reference", None)
    return getattr(image, "exact_version", None) or ""


def _encoded(text: str) -> str:
    return base64.b64encode(compressed(text)).decode()


def _subnet_of(plan: MachinePlan, ground: Ground) -> SubnetHandle:
    return ground.networks[-1].subnets[plan.zone or ""]
