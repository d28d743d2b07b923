"""Decisions that must not drift between runs: what is held stays, prices and hashing count only where nothing is."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from hdinfra.model.names import Spec


class HeldInstance(Spec):
    """An Instance's chosen Clusters, how many Machines each of them holds, and their size (a name a provider).

    `tenant`: whose alone they are, left out of the text where they are shared.
    """

    clusters: tuple[str, ...]
    machines_per_cluster: int
    size: str
    tenant: str | None = None

    @model_serializer(mode="wrap")
    def _as_text(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in usually(self).items() if value is not None}


class Held(Spec):
    """The lock file beside the spec and, as deployed, the stack output `held`. The higher `serial` is the newer."""

    version: Annotated[int, Field(ge=1, le=1)] = 1
    serial: Annotated[int, Field(ge=0)] = 0
    instances: dict[str, HeldInstance] = Field(default={})
    slots: dict[str, int] = Field(default={}, description="Machine name to its number in its network")
    images: dict[str, str] = Field(
        default={}, description="`<provider>/<region>/<arch>` to the system image that new Machines boot from there"
    )
    withdrawn: tuple[str, ...] = Field(
        default=(), description="Clusters that take no Machines until they are let back in"
    )

    @model_serializer(mode="wrap")
    def _as_text(self, usually: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in usually(self).items() if name != "images" or value}


def with_images(held: Held, found: Mapping[str, str]) -> Held:
    """What is held once a run has found system images for places that had none; those that are held stay."""
    images = {**found, **held.images}
    if images == held.images:
        return held
    return held.model_copy(update={"images": dict(sorted(images.items())), "serial": held.serial + 1})
