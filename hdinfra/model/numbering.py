"""Which machines there are, by name and region, and the number that each of them holds there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter

from hdinfra.model.addressing import FIRST_NUMBER, LAST_NUMBER, numbered
from hdinfra.model.checks.control import published
from hdinfra.model.checks.instances import CONTROL, DNS
from hdinfra.model.placement import Placement
from hdinfra.model.plan import Size
from hdinfra.model.publish import PublishSpec
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import BalancerTraits, Catalogue, Region
from hdinfra.model.spec import Provider, ZoneSpec

BUNDLES = "bundles"
"""The place of the machine that plays a bucket."""
LAB = "lab"
"""The place of all lab machines."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A machine before it has addresses. `order` gives numbers in the order that people read them in. `balancer`: what
    stands before it."""

    name: str
    place: str
    role: str
    region: Region
    size: Size
    order: tuple[str, int]
    instance: str | None = None
    publish: PublishSpec | None = None
    balancer: BalancerTraits | None = None


STORE_REGION = "lab-centre"
"""Where the local cloud's bundle store stands; in a catalogue without that region, in its last one."""


def instance_seats(spec: ZoneSpec, placements: Mapping[str, Placement], catalogue: Catalogue) -> Iterator[Seat]:
    """The Machines of all Instances."""
    regions = {cluster.name: catalogue.regions[cluster.provider, cluster.region] for cluster in spec.clusters}
    roles = {instance.name: str(instance.app) for instance in spec.instances}
    for instance, placement in placements.items():
        for candidate in placement.candidates:
            place, region, size = candidate.cluster, regions[candidate.cluster], candidate.size
            for number in range(1, placement.machines_per_cluster + 1):
                name = f"{place}-{instance}-{number}"
                yield Seat(name, place, roles[instance], region, size, (instance, number), instance)


def edge_seats(spec: ZoneSpec, sizes: Mapping[str, Size], catalogue: Catalogue) -> Iterator[Seat]:
    """The edge's machines. A place's first has no number, so that others may come beside it."""
    for place in spec.edge.places if spec.edge else ():
        region, first = catalogue.regions[place.provider, place.region], f"{place.name}-edge"
        traits = catalogue.providers[place.provider].balancer if place.load_balancer else None
        for number in range(1, place.machines + 1):
            name = first if number == 1 else f"{first}-{number}"
            order, size = (first, number - 1), sizes[place.name]
            yield Seat(name, place.name, "load-balancer", region, size, order, publish=place.publish, balancer=traits)


def lab_seats(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Seat]:
    """The machines that play customers' web servers, as small as the local cloud has them."""
    for origin in spec.lab.origins:
        region = catalogue.regions[Provider.LOCAL, origin.region]
        name = f"{LAB}-{origin.name}"
        yield Seat(name, LAB, "lab-origin", region, _smallest_local(catalogue), (name, 0))


def control_seats(spec: ZoneSpec, placement: Placement | None, catalogue: Catalogue) -> Iterator[Seat]:
    """The API machines, one a Cluster."""
    regions = {cluster.name: catalogue.regions[cluster.provider, cluster.region] for cluster in spec.clusters}
    doors = _doors(spec, spec.control.clusters)
    for number, candidate in enumerate(placement.candidates if placement else ()):
        publish = published(spec.control.publish, doors.index(candidate.cluster)) if spec.control.publish else None
        name, place = f"{candidate.cluster}-{CONTROL}-1", candidate.cluster
        yield Seat(name, place, "control", regions[place], candidate.size, (CONTROL, number), publish=publish)


def dns_seats(spec: ZoneSpec, placement: Placement | None, catalogue: Catalogue) -> Iterator[Seat]:
    """The name servers, one a Cluster."""
    regions = {cluster.name: catalogue.regions[cluster.provider, cluster.region] for cluster in spec.clusters}
    doors = _doors(spec, spec.dns.clusters if spec.dns else None)
    for number, candidate in enumerate(placement.candidates if placement else ()):
        door = doors.index(candidate.cluster)
        publish = published(spec.dns.publish, door) if spec.dns and spec.dns.publish else None
        name, place = f"{candidate.cluster}-{DNS}-1", candidate.cluster
        yield Seat(name, place, "dns", regions[place], candidate.size, (DNS, number), publish=publish)


def _doors(spec: ZoneSpec, named: Sequence[str] | None) -> list[str]:
    """The Clusters in the order of their published ports. All that may be chosen, so that when one is lost, the others'
    machines stay at theirs; by name, for the order in which a spec lists Clusters is no input of anything."""
    return sorted(named or (cluster.name for cluster in spec.clusters))


def store_seats(catalogue: Catalogue) -> Iterator[Seat]:
    """The machine of the wan that plays a bucket. Its region is named, so that regions may be added."""
    known = {name: region for (provider, name), region in catalogue.regions.items() if provider is Provider.LOCAL}
    region = known.get(STORE_REGION) or max(known.values(), key=lambda region: region.slot)
    yield Seat(f"{BUNDLES}-store", BUNDLES, "bundle-store", region, _smallest_local(catalogue), (BUNDLES, 0))


def number_seats(
    spec: ZoneSpec, seats: Sequence[Seat], held: Mapping[str, int], catalogue: Catalogue
) -> dict[str, int] | tuple[Refusal, ...]:
    """Machine name to number. Refuses `network.full` where a region has more machines than a network has numbers."""
    by_slot: dict[int, list[Seat]] = {}
    for seat in seats:
        by_slot.setdefault(seat.region.slot, []).append(seat)
    numbers: dict[str, int] = {}
    refusals: list[Refusal] = []
    for crowd in by_slot.values():
        limit = min(LAST_NUMBER - FIRST_NUMBER + 1, catalogue.providers[crowd[0].region.provider].machines_per_cluster)
        if len(crowd) > limit:
            refusals.append(_full(spec, crowd, limit))
        names = [seat.name for seat in sorted(crowd, key=attrgetter("order", "name"))]
        numbers |= numbered(names, held)
    return tuple(refusals) or numbers


def _smallest_local(catalogue: Catalogue) -> Size:
    return min(catalogue.sizes[Provider.LOCAL], key=lambda size: (size.memory_mib, size.vcpu, size.name))


def _full(spec: ZoneSpec, crowd: Sequence[Seat], limit: int) -> Refusal:
    region = crowd[0].region
    data_centres = [(cluster.provider, cluster.region) for cluster in spec.clusters]
    here = (region.provider, region.name)
    return Refusal(
        f"clusters[{data_centres.index(here)}]" if here in data_centres else "edge.places",
        "network.full",
        f"{len(crowd):,} machines would stand in `{region.name}`; its networks and its provider take {limit}.",
        "add Clusters of other operators, or give Instances a smaller `capacity`",
    )
