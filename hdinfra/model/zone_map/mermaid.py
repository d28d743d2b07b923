"""A Zone's map as Mermaid text, for places that draw it themselves (GitHub, GitLab, many wikis)."""

from collections.abc import Iterator

from hdinfra.model.svg import printable
from hdinfra.model.zone_map.zone_map import MapPlace, State, ZoneMap

_CLASSES = (
    "classDef well fill:#e8f5ee,stroke:#1e7b4a,color:#1f2933",
    "classDef ill fill:#fdecea,stroke:#b42318,color:#1f2933,stroke-dasharray:6 4",
    "classDef out fill:#ffffff,stroke:#7b8794,color:#616e7c,stroke-dasharray:2 4",
)
_MOST_HOSTS = 8
# Mermaid takes #name; and #number; for characters that mean something to it or to HTML.
_ESCAPES = {letter: f"#{ord(letter)};" for letter in '#"<>&;`\\[](){}|'}


def mermaid(drawn: ZoneMap) -> str:
    """The text; of the same map always the same."""
    return "".join(f"{line}\n" for line in _lines(drawn))


def _lines(drawn: ZoneMap) -> Iterator[str]:
    yield "flowchart LR"
    yield '  users(("users"))'
    for number, edge in enumerate(drawn.edges):
        yield from _place(f"e{number}", f"edge {edge.name}", edge, "  ")
    yield f'  subgraph zone["{_shown(f"Zone {drawn.zone}, area {drawn.area}")}"]'
    for number, cluster in enumerate(drawn.clusters):
        yield from _place(f"c{number}", f"Cluster {cluster.name}", cluster, "    ")
    yield "  end"
    for number, one in enumerate(drawn.instances):
        more = [f"and {len(one.hosts) - _MOST_HOSTS:,} more"] if len(one.hosts) > _MOST_HOSTS else []
        told = [f"{one.name} ({one.tenancy})", *one.hosts[:_MOST_HOSTS], *more, *(f"→ {to}" for to in one.origins)]
        yield f'  i{number}["{"<br/>".join(map(_shown, told))}"]'
    for number, place in enumerate(drawn.others):
        yield from _place(f"o{number}", place.name, place, "  ")
    yield from _arrows(drawn)
    yield from (f"  {line}" for line in _CLASSES)


def _place(key: str, title: str, place: MapPlace, margin: str) -> Iterator[str]:
    withdrawn = " (withdrawn)" if place.withdrawn else ""
    yield f'{margin}subgraph {key}["{_shown(f"{title}: {place.operator}, {place.region}{withdrawn}")}"]'
    for number, machine in enumerate(place.machines):
        state = State.OUT if place.withdrawn and machine.state is not State.ILL else machine.state
        mark = "" if state is State.PLANNED else f":::{state}"
        yield f'{margin}  {key}m{number}["{_shown(machine.name)}<br/>{_shown(machine.role)}"]{mark}'
    if not place.machines:
        yield f'{margin}  {key}m0["no machines"]'
    yield f"{margin}end"


def _arrows(drawn: ZoneMap) -> Iterator[str]:
    used = {name for one in drawn.instances for name in one.clusters}
    serving = [(f"c{number}", place) for number, place in enumerate(drawn.clusters) if place.name in used]
    for number, edge in enumerate(drawn.edges):
        yield f"  users {_arrow(edge)} e{number}"
        yield from (f"  e{number} {_arrow(edge, cluster)} {key}" for key, cluster in serving)
    for number, one in enumerate(drawn.instances):
        yield from (f"  {key} {_arrow(cluster)} i{number}" for key, cluster in serving if cluster.name in one.clusters)


def _arrow(*places: MapPlace) -> str:
    """Dotted where nothing comes through."""
    return "-.-x" if any(place.state in (State.ILL, State.OUT) for place in places) else "-->"


def _shown(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in printable(text))
