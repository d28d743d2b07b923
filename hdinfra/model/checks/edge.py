"""The edge: it has places, of at least two operators, and no two of them at one door of this computer."""

from collections.abc import Iterator
from itertools import count

from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue
from hdinfra.model.spec import EdgeSpec, PublishSpec, ZoneSpec


def check_edge(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    """`edge.place-missing`, `edge.two-operators`, `edge.duplicate-port`."""
    if spec.edge is None:
        return
    if not spec.edge.places:
        yield Refusal(
            "edge.places",
            "edge.place-missing",
            "The edge has no places, so that nobody could reach any site.",
            "add two places of different operators under `edge.places`, or leave `edge` out",
        )
        return
    yield from _operators(spec.edge, catalogue)
    yield from _ports(spec.edge)


def _operators(edge: EdgeSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    regions = [catalogue.region(place.provider, place.region) for place in edge.places]
    operators = {region.operator for region in regions if region}
    if len(operators) != 1 or None in regions:
        return
    operator = operators.pop()
    others = sorted(region.name for region in catalogue.regions.values() if region.operator != operator)
    yield Refusal(
        "edge.places",
        "edge.two-operators",
        f"All {len(edge.places)} places of the edge belong to operator `{operator}`, whose failure takes every site "
        "down.",
        f"add a place with `region: {others[0]}`" if others else "add a place of another operator",
    )


def _ports(edge: EdgeSpec) -> Iterator[Refusal]:
    taken: list[tuple[str, PublishSpec]] = []
    for index, place in enumerate(edge.places):
        if place.publish is None:
            continue
        for name, other in taken:
            if _collide(place.publish, other):
                yield Refusal(
                    f"edge.places[{index}].publish",
                    "edge.duplicate-port",
                    f"`{place.name}` is published at {place.publish.address}:{place.publish.port}, which `{name}` "
                    f"holds with {other.address}:{other.port}; only one of them would start.",
                    f"write `port: {_free_port(edge, place.publish.port)}`",
                )
                break
        taken.append((place.name, place.publish))


def _collide(one: PublishSpec, other: PublishSpec) -> bool:
    everywhere = one.address.is_unspecified or other.address.is_unspecified
    return one.port == other.port and (everywhere or one.address == other.address)


def _free_port(edge: EdgeSpec, after: int) -> int:
    used = {place.publish.port for place in edge.places if place.publish}
    return next(port for port in count(after if after < 65000 else 8080) if port not in used)
