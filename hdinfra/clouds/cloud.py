"""What components ask of a cloud, and the handles they get. One module a cloud implements it with its one SDK."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol, assert_never

import pulumi

from hdinfra.machine.bundle import Bundle
from hdinfra.model.plan import MachinePlan, Prefixes
from hdinfra.model.spec import Provider

SDKS: Mapping[Provider, str] = {Provider.LOCAL: "docker"}
"""The package that the extra of the same name brings and that the adapter, or its plugin, cannot do without."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose resources these are: from here comes every name's start and every label."""

    project: str
    stack: str
    namespace: str
    zone: str

    def labels(self, machine: MachinePlan) -> dict[str, str]:
        """Labels of one Machine; those of project, stack, namespace and region come with its provider."""
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
class NetworkHandle:
    """A network; `native_id` is the cloud's own name for it."""

    resource: pulumi.Resource
    native_id: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class AddressHandle:
    """A public address in both families that outlives the Machine behind it."""

    ipv4: pulumi.Output[str]
    ipv6: pulumi.Output[str]


@dataclass(frozen=True, slots=True)
class MachineHandle:
    """A Machine: `native_id` is the container's or server's own name.

    `generation` changes whenever the Machine was made anew, so that its Policy is applied again. `ipv4` and `ipv6` are
    the public addresses.
    """

    plan: MachinePlan
    resource: pulumi.Resource
    native_id: pulumi.Output[str]
    generation: pulumi.Output[str]
    ipv4: pulumi.Output[str]
    ipv6: pulumi.Output[str]


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

    def options(self, parent: pulumi.Resource, after: Sequence[pulumi.Resource] = ()) -> pulumi.ResourceOptions:
        """Options of a child of `parent` on this ground."""
        return pulumi.ResourceOptions(parent=parent, provider=self.provider, depends_on=list(after) or None)


@dataclass(frozen=True, slots=True)
class Boot:
    """What a Machine is told at its first boot, and how it says that it has booted.

    `user_data` counts at the first boot only; another `description` (SHA-256) is what a new Machine is made for.
    """

    user_data: pulumi.Output[str]
    description: str
    meta_data: str
    booted: tuple[str, ...]


class Cloud(Protocol):
    """One cloud. Nothing here decides: names, addresses and sizes come with the plan."""

    def provider(self, name: str, region: str, scope: Scope, opts: pulumi.ResourceOptions) -> pulumi.ProviderResource:
        """The explicit provider of one Cluster or place."""
        ...

    def image(self, name: str, packages: Sequence[str], opts: pulumi.ResourceOptions) -> ImageHandle:
        """The system image with these Debian packages."""
        ...

    def network(self, name: str, prefixes: Prefixes, opts: pulumi.ResourceOptions) -> NetworkHandle:
        """A dual stack network."""
        ...

    def address(self, machine: MachinePlan, opts: pulumi.ResourceOptions) -> AddressHandle:
        """The public address kept for a Machine: declared before it, so that others may point there first."""
        ...

    def machine(self, plan: MachinePlan, boot: Boot, ground: Ground, opts: pulumi.ResourceOptions) -> MachineHandle:
        """A Machine that boots from the ground's image of its role, in the ground's networks."""
        ...

    def bundle(self, bundle: Bundle, path: Path, store: MachineHandle, opts: pulumi.ResourceOptions) -> BundleHandle:
        """An archive, which lies at `path` here, where Machines can fetch it."""
        ...


def cloud_of(provider: Provider) -> Cloud:
    """The adapter of one cloud, imported at its first use; without its extra, the error says how to get it."""
    if find_spec(SDKS[provider]) is None:
        raise pulumi.RunError(
            f"provider `{provider}` needs the package `{SDKS[provider]}`, which is not installed; "
            f'fix: pip install "hdinfra[{provider}]"'
        )
    match provider:
        case Provider.LOCAL:
            from hdinfra.clouds.local import LocalCloud  # noqa: PLC0415  an SDK costs import time: only the one in use

            return LocalCloud()
        case _:
            assert_never(provider)
