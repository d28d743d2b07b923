"""What components ask of a cloud, and the handles they get. One module a cloud implements it with its one SDK."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, assert_never

import pulumi

from hdinfra.machine.bundle import Bundle
from hdinfra.machine.machine import Firewall
from hdinfra.model.plan import ClusterPlan, MachinePlan, NetworkPlan
from hdinfra.model.spec import Provider

SDKS: Mapping[Provider, str] = {
    Provider.LOCAL: "docker",
    Provider.AWS: "pulumi_aws",
    Provider.AZURE: "pulumi_azure_native",
    Provider.DIGITALOCEAN: "pulumi_digitalocean",
    Provider.GCP: "pulumi_gcp",
    Provider.HETZNER: "pulumi_hcloud",
    Provider.IBM: "hdinfra.sdks.ibm",
    Provider.LINODE: "pulumi_linode",
}
"""The package that the extra of the same name brings and that the adapter, or its plugin, cannot do without. IBM
publishes none: ours is a part of hdinfra, and nothing else has to be installed (docs/ibm-sdk.md)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose resources these are: from here comes every name's start and every label."""

    project: str
    stack: str
    namespace: str
    zone: str

    @property
    def own_labels(self) -> dict[str, str]:
        """Labels of everything that a stack declares, whatever Zone and Machine it belongs to."""
        return {f"hdinfra.{key}": getattr(self, key) for key in ("project", "stack", "namespace")}

    def labels(self, machine: MachinePlan) -> dict[str, str]:
        """Labels of one Machine, but for `own_labels`, which some clouds' providers add by themselves."""
        owner = {"hdinfra.tenant": machine.tenant} if machine.tenant else {}
        return {
            "hdinfra.zone": self.zone,
            "hdinfra.place": machine.place,
            "hdinfra.role": machine.role,
            "hdinfra.operator": machine.operator,
            **owner,
        }


@dataclass(frozen=True, slots=True)
class ImageHandle:
    """What a Machine of one role boots from."""

    resource: pulumi.Resource
    reference: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class SubnetHandle:
    """A part of a network in one availability zone; `ipv6` is its /64 where the cloud chose it."""

    resource: pulumi.Resource
    native_id: pulumi.Output[str]
    ipv6: pulumi.Output[str] | None = None


@dataclass(frozen=True, slots=True)
class NetworkHandle:
    """A network; `native_id` is the cloud's own name for it. `subnets`: public ones by availability zone."""

    resource: pulumi.Resource
    native_id: pulumi.Output[str]
    subnets: Mapping[str, SubnetHandle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddressHandle:
    """A public address in both families that outlives the Machine behind it, and from which that Machine speaks.

    `ipv6` is empty where the cloud has none, and a waiver says why it may be so (decision 22).

    `native_ids`: the cloud's own names of the two, where it has such.
    """

    ipv4: pulumi.Output[str]
    ipv6: pulumi.Output[str]
    native_ids: tuple[pulumi.Output[str], ...] = ()


@dataclass(frozen=True, slots=True)
class Opening:
    """Who may come in at one port: the world, or these addresses and networks of both families.

    `ipv4`: those of IPv4 among the sources, by whose they are, for clouds of which each rule is a resource with a name.
    """

    port: int
    sources: pulumi.Output[list[str]] | None
    protocol: Literal["tcp", "udp"] = "tcp"
    ipv4: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupHandle:
    """What the Machines of one Instance in one Cluster have in common: firewalls, and what keeps them apart.

    `spread`: in order, each for as many Machines as the cloud takes in one.
    """

    firewalls: tuple[pulumi.Output[str], ...]
    spread: tuple[pulumi.Output[str], ...] = ()


@dataclass(frozen=True, slots=True)
class VolumeHandle:
    """A disk that outlives its Machine. `device`: its path in the Machine, the same whatever else is attached.

    `resource` is None where a cloud's volume says itself which Machine has it, and so is declared behind that.
    """

    resource: pulumi.Resource | None
    native_id: pulumi.Output[str]
    device: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class MachineHandle:
    """A Machine: `native_id` is the container's or server's own name.

    `generation` changes whenever the Machine was made anew, so that its Policy is applied again. `ipv4` and `ipv6` are
    the public addresses, as its AddressHandle has them. `image`: what it boots from, where the cloud had to look it up.
    `group`: what it was made in. `attached`: what it has only once it runs, where that is a resource of its own.
    """

    plan: MachinePlan
    resource: pulumi.Resource
    native_id: pulumi.Output[str]
    generation: pulumi.Output[str]
    ipv4: pulumi.Output[str]
    ipv6: pulumi.Output[str]
    image: pulumi.Output[str] | None = None
    group: GroupHandle | None = None
    attached: tuple[pulumi.Resource, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a load balancer finds out which Machines may get visitors: GET over HTTP, and 200 alone is well.

    Failures and successes in a row count. All providers take these numbers.
    """

    port: int
    path: str = "/healthz"
    every_seconds: int = 5
    timeout_seconds: int = 3
    failures: int = 2
    successes: int = 2


@dataclass(frozen=True, slots=True)
class BalancerHandle:
    """A load balancer: the public addresses that users come to, one of each family or one for each availability zone.
    `ipv6` is empty where the provider's has none and the place's waivers say why it may be so."""

    resource: pulumi.Resource
    ipv4: tuple[pulumi.Output[str], ...]
    ipv6: tuple[pulumi.Output[str], ...]


@dataclass(frozen=True, slots=True)
class BucketHandle:
    """Where bundles lie on a cloud: `url` is what their names are added to."""

    resource: pulumi.Resource
    native_id: pulumi.Output[str]
    url: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class BundleHandle:
    """A bundle where first boots can fetch it. Who takes the `url` waits until it lies there."""

    resource: pulumi.Resource
    url: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the resources of one Cluster or place are declared: each of their names starts with `name`."""

    name: str
    cloud: "Cloud"
    scope: Scope
    provider: pulumi.ProviderResource
    images: Mapping[str, ImageHandle] = field(default_factory=dict)
    networks: tuple[NetworkHandle, ...] = ()
    plan: ClusterPlan | None = None

    @property
    def place(self) -> ClusterPlan:
        """The plan of what stands here; ValueError where there is none, so that nobody knows region and account."""
        if self.plan is None:
            raise ValueError(f"`{self.name}` has no plan of its own, so nobody knows its region")
        return self.plan

    def options(self, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """Options of a child of `parent` on this ground."""
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=list(after) or None)


@dataclass(frozen=True, slots=True)
class Boot:
    """What a Machine is told at its first boot, and how it says that it has booted.

    `user_data` counts at the first boot only; another `description` (SHA-256) is what a new Machine is made for.
    `address`, `group` and `volume` were declared before it; a cloud that has none of them gave None.
    """

    user_data: pulumi.Output[str]
    description: str
    meta_data: str
    booted: tuple[str, ...]
    address: AddressHandle | None = None
    group: GroupHandle | None = None
    volume: VolumeHandle | None = None


Store = MachineHandle | BucketHandle
"""What holds bundles."""


class Cloud(Protocol):
    """One cloud. Nothing here decides: names, addresses and sizes come with the plan.

    Every resource's name starts with its Cluster's; parent and explicit provider come with `opts`.
    """

    def given(self, account: str | None) -> frozenset[str]:
        """Names of what an account's settings give, checked before anything is declared; none without an account.
        RunError for one that the provider does not know, or that is missing."""
        ...

    def provider(
        self, name: str, where: ClusterPlan | str, scope: Scope, opts: pulumi.ResourceOptions
    ) -> pulumi.ProviderResource:
        """The explicit provider of one Cluster or place; `where` is a region's name for what has no plan of its own."""
        ...

    def images(
        self, ground: Ground, packages: Mapping[str, Sequence[str]], parent: pulumi.Resource
    ) -> Mapping[str, ImageHandle]:
        """By role the system image with these Debian packages; none where machines install them at their first boot."""
        ...

    def network(self, name: str, plan: NetworkPlan, ground: Ground, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A dual stack network, closed but for what Machines' own firewalls open, and what looks after its disks."""
        ...

    def address(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> AddressHandle:
        """The public address kept for a Machine: declared before it, so that others may point there first."""
        ...

    def group(  # noqa: PLR0913, PLR0917  who they are, who may come in, and how many stand apart
        self,
        name: str,
        firewall: Firewall,
        openings: Sequence[Opening],
        machines: int,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> GroupHandle | None:
        """Firewall and spread of one Instance's `machines` in one Cluster; None where Machines' own firewall is all."""
        ...

    def volume(self, plan: MachinePlan, ground: Ground, opts: pulumi.ResourceOptions) -> VolumeHandle | None:
        """The volume that outlives the Machine, attached later by `machine`; None where the plan has none."""
        ...

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A Machine that boots from the ground's image of its role, in the ground's networks."""
        ...

    def load_balancer(
        self,
        name: str,
        machines: Sequence[MachineHandle],
        health: HealthCheck,
        ground: Ground,
        opts: pulumi.ResourceOptions,
    ) -> BalancerHandle:
        """What passes TCP 80 and 443 of both families on to those of these Machines that are well, unopened.

        All stand on the ground, and each plan's `balancer` says how they learn a visitor's address: the adapter turns
        on the PROXY header exactly where `header` is true. It connects from `networks`, to which the Machines' own
        firewalls and their group's have opened 80, 443 and `health_port` already.
        """
        ...

    def bucket(self, name: str, ground: Ground, opts: pulumi.ResourceOptions) -> BucketHandle:
        """A bucket whose objects anybody may read over TLS, and nobody list: bundles are signed, not secret."""
        ...

    def bundle(
        self, bundle: Bundle, path: Path, store: Store, ground: Ground, opts: pulumi.ResourceOptions
    ) -> BundleHandle:
        """An archive, which lies at `path` here, where Machines can fetch it."""
        ...


def cloud_of(provider: Provider) -> Cloud:
    """The adapter of one cloud, imported at its first use; without its extra, the error says how to get it."""
    if find_spec(SDKS[provider]) is None:
        raise pulumi.RunError(
            f"provider `{provider}` needs the package `{SDKS[provider]}`, which is not installed; "
            f'fix: pip install "hdinfra[{provider}]"'
        )
    cloud: Cloud
    match provider:  # an SDK costs import time: only the ones in use
        case Provider.LOCAL:
            from hdinfra.clouds.local import LocalCloud  # noqa: PLC0415

            cloud = LocalCloud()
        case Provider.AWS:
            from hdinfra.clouds.aws import AwsCloud  # noqa: PLC0415

            cloud = AwsCloud()
        case Provider.AZURE:
            from hdinfra.clouds.azure import AzureCloud  # noqa: PLC0415

            cloud = AzureCloud()
        case Provider.DIGITALOCEAN:
            from hdinfra.clouds.digitalocean import DigitalOceanCloud  # noqa: PLC0415

            cloud = DigitalOceanCloud()
        case Provider.GCP:
            from hdinfra.clouds.gcp import GcpCloud  # noqa: PLC0415

            cloud = GcpCloud()
        case Provider.HETZNER:
            from hdinfra.clouds.hetzner import HetznerCloud  # noqa: PLC0415

            cloud = HetznerCloud()
        case Provider.IBM:
            from hdinfra.clouds.ibm import IbmCloud  # noqa: PLC0415

            cloud = IbmCloud()
        case Provider.LINODE:
            from hdinfra.clouds.linode import LinodeCloud  # noqa: PLC0415

            cloud = LinodeCloud()
        case _:
            assert_never(provider)
    return cloud
