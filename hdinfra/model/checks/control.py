"""The management API: it stands in Clusters that exist, and at doors of this computer that nobody else holds."""

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import count

from hdinfra.model.publish import PublishSpec
from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import ZoneSpec


def check_control(spec: ZoneSpec) -> Iterator[Refusal]:
    """`control.cluster-unknown`, `control.duplicate-port`."""
    known = sorted(cluster.name for cluster in spec.clusters)
    for index, name in enumerate(spec.control.clusters or ()):
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.0)
            yield Refusal(
                f"control.clusters[{index}]",
                "control.cluster-unknown",
                f"The management API shall stand in `{name}`, but the Zone has {', '.join(known) or 'no Cluster'}.",
                f"write `{nearest[0]}`, or drop `clusters` and let the planner choose" if nearest else "add a Cluster",
            )
    if spec.control.publish is not None:
        yield from _ports(spec, spec.control.publish)


def published(publish: PublishSpec, number: int) -> PublishSpec:
    """Where the API machine of the Cluster of that number (from 0) is shown."""
    return publish.model_copy(update={"port": publish.port + number})


def _ports(spec: ZoneSpec, publish: PublishSpec) -> Iterator[Refusal]:
    places = [(place.name, place.publish) for place in (spec.edge.places if spec.edge else ()) if place.publish]
    taken = {port: name for name, edge in places if _same_door(edge, publish) for port in (edge.port, edge.https)}
    most = len(spec.control.clusters or spec.clusters)
    ports = range(publish.port, publish.port + most)
    found = next((port for port in ports if port in taken or port > 65_535), None)
    if found is not None:
        holder = f"edge place `{taken[found]}` holds {found}" if found in taken else "ports end at 65,535"
        free = next(p for p in count(19_000) if not any(p + n in taken for n in range(most)))
        yield Refusal(
            "control.publish",
            "control.duplicate-port",
            f"The API machines would be published from port {publish.port} on, and {holder}; one would not start.",
            f"write `port: {free}`",
        )


def _same_door(one: PublishSpec, other: PublishSpec) -> bool:
    return one.address == other.address or one.address.is_unspecified or other.address.is_unspecified
