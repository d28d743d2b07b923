"""Instances, the images they boot from, what keeps them apart, and copies of their disks."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NotRequired, TypedDict

import pulumi

from hdinfra.sdks.ibm.package import IbmResource, camel, package


class VirtualNetworkInterface(TypedDict):
    """One that exists, by its number."""

    id: pulumi.Input[str]


class PrimaryNetworkAttachment(TypedDict):
    """How an instance comes to its first interface."""

    virtual_network_interface: pulumi.Input[VirtualNetworkInterface]
    name: NotRequired[pulumi.Input[str]]


class BootVolume(TypedDict):
    """The disk with the system, encrypted with IBM's keys where `encryption` names no other."""

    auto_delete_volume: NotRequired[pulumi.Input[bool]]
    encryption: NotRequired[pulumi.Input[str]]
    size: NotRequired[pulumi.Input[int]]
    tags: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]


class MetadataService(TypedDict):
    """What an instance may ask about itself at 169.254.169.254."""

    enabled: pulumi.Input[bool]
    protocol: NotRequired[pulumi.Input[str]]
    response_hop_limit: NotRequired[pulumi.Input[int]]


class DeletionTrigger(TypedDict):
    """Which copies go: those older than so many days, or (as text) more than so many."""

    delete_after: pulumi.Input[int]
    delete_over_count: pulumi.Input[str]


class Image(TypedDict):
    """What a look-up tells of one image, in the bridge's names."""

    id: str
    name: str
    architecture: str


class IsPlacementGroup(IbmResource):
    """Instances that stand apart: `host_spread` takes twelve, `power_spread` four."""

    def __init__(
        self,
        resource_name: str,
        *,
        strategy: pulumi.Input[str],
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {"strategy": strategy, "name": name, "resource_group": resource_group, "tags": tags}
        super().__init__(resource_name, inputs, opts)


class IsInstance(IbmResource):
    """A virtual server."""

    image: pulumi.Output[str]
    outputs: ClassVar[tuple[str, ...]] = ("status",)

    def __init__(
        self,
        resource_name: str,
        *,
        vpc: pulumi.Input[str] | None = None,
        zone: pulumi.Input[str] | None = None,
        profile: pulumi.Input[str] | None = None,
        image: pulumi.Input[str] | None = None,
        boot_volume: pulumi.Input[BootVolume] | None = None,
        primary_network_attachment: pulumi.Input[PrimaryNetworkAttachment] | None = None,
        placement_group: pulumi.Input[str] | None = None,
        metadata_service: pulumi.Input[MetadataService] | None = None,
        user_data: pulumi.Input[str] | None = None,
        keys: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        tags: pulumi.Input[Sequence[pulumi.Input[str]]] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "vpc": vpc,
            "zone": zone,
            "profile": profile,
            "image": image,
            "boot_volume": boot_volume,
            "primary_network_attachment": primary_network_attachment,
            "placement_group": placement_group,
            "metadata_service": metadata_service,
            "user_data": user_data,
            "keys": keys,
            "name": name,
            "resource_group": resource_group,
            "tags": tags,
        }
        super().__init__(resource_name, inputs, opts)


class IsBackupPolicy(IbmResource):
    """Copies of what has one of these tags."""

    def __init__(
        self,
        resource_name: str,
        *,
        match_user_tags: pulumi.Input[Sequence[pulumi.Input[str]]],
        match_resource_type: pulumi.Input[str] | None = None,
        name: pulumi.Input[str] | None = None,
        resource_group: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "match_user_tags": match_user_tags,
            "match_resource_type": match_resource_type,
            "name": name,
            "resource_group": resource_group,
        }
        super().__init__(resource_name, inputs, opts)


class IsBackupPolicyPlan(IbmResource):
    """When a policy copies, and which copies it keeps."""

    def __init__(
        self,
        resource_name: str,
        *,
        backup_policy_id: pulumi.Input[str],
        cron_spec: pulumi.Input[str],
        active: pulumi.Input[bool] | None = None,
        copy_user_tags: pulumi.Input[bool] | None = None,
        deletion_trigger: pulumi.Input[DeletionTrigger] | None = None,
        name: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        inputs = {
            "backup_policy_id": backup_policy_id,
            "cron_spec": cron_spec,
            "active": active,
            "copy_user_tags": copy_user_tags,
            "deletion_trigger": deletion_trigger,
            "name": name,
        }
        super().__init__(resource_name, inputs, opts)


def get_is_images_output(
    *,
    visibility: pulumi.Input[str] | None = None,
    status: pulumi.Input[str] | None = None,
    remote_account_id: pulumi.Input[str] | None = None,
    opts: pulumi.InvokeOutputOptions | None = None,
) -> pulumi.Output[list[Image]]:
    """The images of a region. `remote_account_id` is whose: `provider` for IBM's own."""
    asked = {"visibility": visibility, "status": status, "remote_account_id": remote_account_id}
    told = {camel(name): value for name, value in asked.items() if value is not None}
    found = pulumi.runtime.invoke_output("ibm:index/getIsImages:getIsImages", told, opts, package_ref=package())
    return found.apply(_images)


def _images(answer: Mapping[str, Any] | None) -> list[Image]:
    return [Image(id=one["id"], name=one["name"], architecture=one["architecture"]) for one in (answer or {})["images"]]
