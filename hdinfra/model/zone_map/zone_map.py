"""What a map of a Zone shows, from its plan alone or with how its machines are. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from hdinfra.model.plan import MachinePlan, SitePlan, ZonePlan


class State(StrEnum):
    """How something is: as planned and not looked at, well, not well, or withdrawn (out by decision)."""

    PLANNED = "planned"
    WELL = "well"
    ILL = "ill"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class MapMachine:
    """One Machine and how it is."""

    name: str
    role: str
    state: State = State.PLANNED


@dataclass(frozen=True, slots=True)
class MapPlace:
    """A Cluster, or one of the edge's places, or where other machines stand, with its operator."""

    name: str
    operator: str
    region: str
    machines: tuple[MapMachine, ...] = ()
    withdrawn: bool = False

    @property
    def state(self) -> State:
        """Its machines' as a whole: out when withdrawn, ill when any is, well when all are."""
        if self.withdrawn:
            return State.OUT
        states = {machine.state for machine in self.machines}
        if State.ILL in states:
            return State.ILL
        return State.WELL if states == {State.WELL} else State.PLANNED


@dataclass(frozen=True, slots=True)
class MapInstance:
    """An Instance with the hosts of its sites, and where their clean traffic goes, once each."""

    name: str
    tenancy: str
    clusters: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ZoneMap:
    """A whole Zone. `others`: machines of the lab and the bundle store, where there are any."""

    zone: str
    area: str
    edges: tuple[MapPlace, ...] = ()
    clusters: tuple[MapPlace, ...] = ()
    instances: tuple[MapInstance, ...] = ()
    others: tuple[MapPlace, ...] = ()

    @property
    def places(self) -> tuple[MapPlace, ...]:
        """Every place."""
        return (*self.edges, *self.clusters, *self.others)

    @property
    def machines(self) -> tuple[MapMachine, ...]:
        """Every machine."""
        return tuple(machine for place in self.places for machine in place.machines)

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def map_of(plan: ZonePlan) -> ZoneMap:
    """The map of what a plan declares."""
    edges = plan.edge.machines if plan.edge else ()
    store = (plan.bundles.store,) if plan.bundles.store else ()
    stands = {name: [one for one in plan.machines if one.place == name] for name in (c.name for c in plan.clusters)}
    return ZoneMap(
        zone=plan.zone,
        area=plan.area,
        edges=_places(edges),
        clusters=tuple(
            MapPlace(one.name, one.operator, one.region, _machines(stands[one.name]), one.name in plan.withdrawn)
            for one in plan.clusters
        ),
        instances=tuple(
            MapInstance(
                name=one.name,
                tenancy=str(one.tenancy),
                clusters=tuple(sorted({machine.place for machine in one.machines})),
                hosts=tuple(site.host for site in one.sites),
                origins=_origins(one.sites),
            )
            for one in plan.instances
        ),
        others=_places((*plan.lab.origins, *store)),
    )


def with_states(drawn: ZoneMap, states: Mapping[str, State], extra: Mapping[str, Sequence[MapMachine]]) -> ZoneMap:
    """The same with how each machine is, by name, and with machines that stand in a Cluster without being planned
    there, by Cluster: what a withdrawn Cluster still has, or what an `up` has yet to remove."""

    def seen(places: tuple[MapPlace, ...]) -> tuple[MapPlace, ...]:
        return tuple(
            replace(
                place,
                machines=tuple(
                    replace(machine, state=states.get(machine.name, machine.state))
                    for machine in (*place.machines, *_unplanned(place, extra.get(place.name, ())))
                ),
            )
            for place in places
        )

    return replace(drawn, edges=seen(drawn.edges), clusters=seen(drawn.clusters), others=seen(drawn.others))


def _unplanned(place: MapPlace, extra: Sequence[MapMachine]) -> list[MapMachine]:
    planned = {machine.name for machine in place.machines}
    return [machine for machine in extra if machine.name not in planned]


def _places(machines: Iterable[MachinePlan]) -> tuple[MapPlace, ...]:
    """Places by name in the order in which their first machines come."""
    found: dict[str, list[MachinePlan]] = {}
    for machine in machines:
        found.setdefault(machine.place, []).append(machine)
    return tuple(MapPlace(name, own[0].operator, own[0].region, _machines(own)) for name, own in found.items())


def _machines(machines: Iterable[MachinePlan]) -> tuple[MapMachine, ...]:
    return tuple(MapMachine(machine.name, machine.role) for machine in machines)


def _origins(sites: Iterable[SitePlan]) -> tuple[str, ...]:
    targets = (origin for site in sites for origin in site.origins)
    return tuple(dict.fromkeys(f"lab-{one.lab}" if one.lab else f"{one.address}:{one.port}" for one in targets))
