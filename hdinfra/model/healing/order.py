"""What a heal or a restore changes of the held decisions, as it is handed to the stack's program. Pure."""

from hashlib import sha256

from pydantic import Field

from hdinfra.model.held import Held
from hdinfra.model.names import Name, Spec


class SuppliedPair(Spec):
    """A site's own certificate and key, as they are deployed."""

    certificate: str
    key: str = Field(repr=False)


class Switched(Spec):
    """Where users were led to by `hdinfra edge switch`; None: to the first entrance."""

    entrance: Name | None


class Order(Spec):
    """Carried out only on exactly what it was decided on: `serial` of the deployed decisions, `spec` the SHA-256 of the
    deployed spec's text. `floor`: the new decisions count above it, so that no lock file looks newer."""

    serial: int
    spec: str
    floor: int = 0
    withdraw: tuple[Name, ...] = ()
    let_in: tuple[Name, ...] = ()
    avoid: tuple[Name, ...] = Field(default=(), description="Take no new Machines; those that they have stay")
    stay: bool = Field(default=False, description="What stands in for a returned Cluster is not done yet")
    placement: dict[str, tuple[Name, ...]] = Field(default={}, description="Instances' Clusters from now on")
    supplied: dict[str, SuppliedPair] = Field(default={})
    switched: Switched | None = Field(
        default=None, description="A switch that the lock file knows already, and the stack not yet"
    )


def digest_of(spec: str) -> str:
    """Under which a deployed spec's text is known."""
    return sha256(spec.encode()).hexdigest()


def held_for(order: Order, deployed: Held) -> Held:
    """The decisions with which an order is planned: counted further only where it changes any."""
    withdrawn = tuple(sorted({*deployed.withdrawn, *order.withdraw} - {*order.let_in}))
    now = deployed.model_copy(
        update={
            "withdrawn": withdrawn,
            "avoided": tuple(sorted({*deployed.avoided, *order.avoid} - {*order.let_in})),
            "stood": _stood(order, deployed) if withdrawn or order.stay else {},
            "instances": {
                name: one.model_copy(update={"clusters": tuple(sorted(order.placement.get(name, one.clusters)))})
                for name, one in deployed.instances.items()
            },
            **({"entrance": order.switched.entrance} if order.switched else {}),
        }
    )
    if now == deployed:
        return deployed
    return now.model_copy(update={"serial": max(deployed.serial, order.floor) + 1})


def gone_back(held: Held, let_in: str) -> dict[str, tuple[str, ...]]:
    """Where Instances stand when that Cluster takes Machines again: where they stood before, as far as that is not
    still withdrawn, and for what is missing then where they stand now."""
    away = {*held.withdrawn} - {let_in}
    found: dict[str, tuple[str, ...]] = {}
    for name, before in held.stood.items():
        if name in held.instances and let_in in before:
            now = held.instances[name].clusters
            back = [cluster for cluster in before if cluster not in away]
            rest = [cluster for cluster in now if cluster not in back]
            found[name] = tuple(sorted([*back, *rest][: len(before)]))
    return found


def _stood(order: Order, deployed: Held) -> dict[str, tuple[str, ...]]:
    """What is first remembered holds: a second Cluster that is lost leaves what was chosen for the first one's loss."""
    lost = {*order.withdraw}
    now = {name: one.clusters for name, one in deployed.instances.items() if lost & {*one.clusters}}
    return {**now, **deployed.stood}
