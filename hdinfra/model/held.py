"""Decisions that must not drift between runs: what is held stays, prices and hashing count only where nothing is."""

from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from hdinfra.model.names import Spec
from hdinfra.model.spec import Provider


class HeldCluster(Spec):
    """Where a Cluster with Machines stands: what cannot change without all of them, and their data, left behind.

    `ipv6` is left out where the provider has no private IPv6, or chooses it.
    """

    provider: Provider
    region: str
    account: str | None = None
    zones: tuple[str, ...] = ()
    ipv4: IPv4Network
    ipv6: IPv6Network | None = None

    @model_serializer(mode="wrap")
    def _as_text(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in usually(self).items() if value not in (None, (), [])}


class HeldPlace(Spec):
    """Where a place of the edge stands: its addresses, which users' DNS records name, are of there."""

    provider: Provider
    region: str
    account: str | None = None

    @model_serializer(mode="wrap")
    def _as_text(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in usually(self).items() if value is not None}


class HeldInstance(Spec):
    """An Instance's chosen Clusters, how many Machines each of them holds, and their size (a name a provider).

    `tenant`: whose alone they are, left out of the text where they are shared; `volume_gib` where they have none.
    """

    clusters: tuple[str, ...]
    machines_per_cluster: int
    size: str
    tenant: str | None = None
    volume_gib: int | None = None

    @model_serializer(mode="wrap")
    def _as_text(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in usually(self).items() if value is not None}


class HeldMesh(Spec):
    """The version of the mesh's keys, and each machine's number in it, which stays when others come or go."""

    version: Annotated[int, Field(ge=1)]
    numbers: dict[str, int] = Field(default={})


class Held(Spec):
    """The lock file beside the spec and, as deployed, the stack output `held`. The higher `serial` is the newer."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    serial: Annotated[int, Field(ge=0)] = 0
    zone: str | None = Field(default=None, description="The Zone's name; none in older files")
    instances: dict[str, HeldInstance] = Field(default={})
    clusters: dict[str, HeldCluster] = Field(default={}, description="Where Clusters stand; none in older files")
    places: dict[str, HeldPlace] = Field(default={}, description="Where the edge stands; none in older files")
    slots: dict[str, int] = Field(default={}, description="Machine name to its number in its network")
    images: dict[str, str] = Field(
        default={}, description="`<provider>/<region>/<arch>` to the system image that new Machines boot from there"
    )
    mesh: HeldMesh | None = Field(
        default=None, description="Kept when the mesh is left out: its version never goes down"
    )
    entrance: str | None = Field(
        default=None, description="Where users were switched to; none while the first entrance is in force"
    )
    withdrawn: tuple[str, ...] = Field(
        default=(), description="Clusters that take no Machines until they are let back in"
    )

    avoided: tuple[str, ...] = Field(
        default=(),
        description="Clusters that take no further Machines until they are let back in; those they have stay",
    )

    stood: dict[str, tuple[str, ...]] = Field(
        default={},
        description="Where Instances stood before Clusters were withdrawn; `hdinfra restore` goes back there",
    )

    @model_serializer(mode="wrap")
    def _as_text(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        sparing = {"avoided", "clusters", "entrance", "images", "mesh", "places", "stood", "zone"}
        return {name: value for name, value in usually(self).items() if value or name not in sparing}


def with_images(held: Held, found: Mapping[str, str]) -> Held:
    """What is held once a run has found system images for places that had none; those that are held stay."""
    images = {**found, **held.images}
    if images == held.images:
        return held
    return held.model_copy(update={"images": dict(sorted(images.items())), "serial": held.serial + 1})


def with_nothing_standing(held: Held) -> Held:
    """What is still held of a stack that is down: numbers, images, withdrawals, but not where anything stood."""
    return held.model_copy(update={"zone": None, "clusters": {}, "places": {}, "instances": {}, "stood": {}})
