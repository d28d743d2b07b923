"""The edge: it has places, of at least two operators, and no two of them at one door of this computer."""

from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import count
from typing import NamedTuple

from hdinfra.model.publish import HTTPS_ABOVE
from hdinfra.model.refusal import Refusal
from hdinfra.model.regions import Catalogue
from hdinfra.model.spec import EdgeSpec, PlaceSpec, ZoneSpec

LAST_PORT = 65_535


def check_edge(spec: ZoneSpec, catalogue: Catalogue) -> Iterator[Refusal]:
    """`edge.place-missing`, `edge.two-operators`, `edge.load-balancer`, `edge.duplicate-port`, `edge.https-port`."""
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
    yield from _one_address(spec.edge)
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


def _one_address(edge: EdgeSpec) -> Iterator[Refusal]:
    for index, place in enumerate(edge.places):
        if place.machines > 1 and not place.load_balancer:
            yield Refusal(
                f"edge.places[{index}].machines",
                "edge.load-balancer",
                f"`{place.name}` has {place.machines} machines, and users come to one address a place.",
                "write `load_balancer: true` there, or `machines: 1`",
            )


def _ports(edge: EdgeSpec) -> Iterator[Refusal]:
    taken: list[_Door] = []
    for index, place in enumerate(edge.places):
        own = _doors(place)
        collision = next(((door, other) for door in own for other in taken if _collide(door, other)), None)
        if collision:
            door, other = collision
            key = "port" if door.port == place.publish.port else "https_port"  # type: ignore[union-attr]
            yield Refusal(
                f"edge.places[{index}].publish",
                "edge.duplicate-port",
                f"`{place.name}` is published at {door.address}:{door.port}, which `{other.place}` holds with "
                f"{other.address}:{other.port}; only one of them would start.",
                f"write `{key}: {_free_port(edge, door.port)}`",
            )
        elif wrong := _https_flaw(place, edge):
            yield Refusal(f"edge.places[{index}].publish.https_port", "edge.https-port", *wrong)
        taken += own


class _Door(NamedTuple):
    place: str
    address: IPv4Address
    port: int


def _doors(place: PlaceSpec) -> list[_Door]:
    if place.publish is None:
        return []
    return [_Door(place.name, place.publish.address, port) for port in (place.publish.port, place.publish.https)]


def _https_flaw(place: PlaceSpec, edge: EdgeSpec) -> tuple[str, str] | None:
    if place.publish is None:
        return None
    http, https = place.publish.port, place.publish.https
    if https > LAST_PORT:
        message = f"Left out, `https_port` would be {https}, {HTTPS_ABOVE} above {http}; ports end at {LAST_PORT:,}."
        return message, f"write `https_port: {_free_port(edge, http)}`"
    if http == https:
        return f"HTTP and HTTPS would both be at {http}.", f"write `https_port: {_free_port(edge, http)}`"
    # All edges have one policy, and a visitor's plain port is all that tells at which of them they are.
    others = [other for other in edge.places if other.publish and other.publish.port == http]
    first = next((other for other in others if other.publish and other.publish.https != https), None)
    if first is None or first.publish is None or first.name == place.name or others.index(first) > others.index(place):
        return None
    message = (
        f"From port {http} the way to HTTPS leads to {https} here, and to {first.publish.https} at `{first.name}`."
    )
    return message, f"write `https_port: {first.publish.https}`"


def _collide(one: _Door, other: _Door) -> bool:
    everywhere = one.address.is_unspecified or other.address.is_unspecified
    return one.port == other.port and (everywhere or one.address == other.address)


def _free_port(edge: EdgeSpec, after: int) -> int:
    used = {door.port for place in edge.places for door in _doors(place)}
    start = after if after < LAST_PORT - 2 * HTTPS_ABOVE else 8080
    return next(port for port in count(start) if not {port, port + HTTPS_ABOVE} & used)
