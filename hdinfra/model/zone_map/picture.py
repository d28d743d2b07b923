"""A Zone's map as a picture (SVG): users, the edge's places, the Clusters with their Machines, and the origins."""

from collections.abc import Sequence

from hdinfra.model.svg import Drawing, Point
from hdinfra.model.zone_map.zone_map import MapInstance, MapMachine, MapPlace, State, ZoneMap

_MARGIN, _GAP, _ROW, _HEAD = 20, 16, 20, 46
_EDGE_WIDTH, _CLUSTER_WIDTH, _SITES_WIDTH = 190, 230, 200
_USERS, _BETWEEN = 60, 90
_EDGE_X = _MARGIN + _USERS
_FRAME_X = _EDGE_X + _EDGE_WIDTH + _BETWEEN
_FRAME_TOP = 34
_SITES_X = _FRAME_X + _CLUSTER_WIDTH + 2 * _GAP + _BETWEEN
_WIDTH = _SITES_X + _SITES_WIDTH + _MARGIN
_MOST_LINES = 8
"""Of an Instance's hosts and of its origins: a picture of ten thousand sites would show nobody anything."""
_DOTS = {State.PLANNED: "none", State.WELL: "good", State.ILL: "bad", State.OUT: "none"}
_BOXES = {State.PLANNED: "box", State.WELL: "well", State.ILL: "ill", State.OUT: "out"}
_TOLD = {State.ILL: "not well", State.OUT: "withdrawn"}


def picture(drawn: ZoneMap) -> str:
    """The SVG's text; of the same map always the same."""
    edges = _column([_height(len(place.machines)) for place in drawn.edges], _MARGIN + _FRAME_TOP)
    clusters = _column([_height(len(place.machines)) for place in drawn.clusters], _MARGIN + _FRAME_TOP)
    right = _column(
        [
            *(_height(len(_lines(one))) for one in drawn.instances),
            *(_height(len(place.machines)) for place in drawn.others),
        ],
        _MARGIN + _FRAME_TOP,
    )
    bottom = max((y + height for y, height in (*edges, *clusters, *right)), default=100.0)
    drawing = Drawing(_WIDTH, bottom + _GAP + _MARGIN, f"Zone {drawn.zone}: its edge, Clusters and origins")
    drawing.box((_FRAME_X, _MARGIN), (_CLUSTER_WIDTH + 2 * _GAP, bottom + _GAP - _MARGIN), "frame", radius=10)
    drawing.write((_FRAME_X + 14, _MARGIN + 22), f"Zone {drawn.zone}, area {drawn.area}", "name", room=240)
    _arrows(drawing, drawn, (edges, clusters, right))
    for place, (y, height) in zip(drawn.edges, edges, strict=True):
        _place(drawing, "edge", place, (_EDGE_X, y), (_EDGE_WIDTH, height))
    for place, (y, height) in zip(drawn.clusters, clusters, strict=True):
        _place(drawing, "Cluster", place, (_FRAME_X + _GAP, y), (_CLUSTER_WIDTH, height))
    for one, (y, height) in zip(drawn.instances, right, strict=False):
        _instance(drawing, one, (_SITES_X, y), (_SITES_WIDTH, height))
    for place, (y, height) in zip(drawn.others, right[len(drawn.instances) :], strict=True):
        _place(drawing, "", place, (_SITES_X, y), (_SITES_WIDTH, height))
    return drawing.text()


_Spans = Sequence[tuple[float, float]]


def _column(heights: Sequence[float], top: float) -> list[tuple[float, float]]:
    """Where each box of a column begins, and how high it is."""
    found: list[tuple[float, float]] = []
    for height in heights:
        found.append((top, height))
        top += height + _GAP
    return found


def _height(rows: int) -> float:
    return _HEAD + _ROW * max(1, rows) + 4


def _arrows(drawing: Drawing, drawn: ZoneMap, columns: tuple[_Spans, _Spans, _Spans]) -> None:
    edges, clusters, right = columns
    users = (_MARGIN + 40, (edges[0][0] + edges[-1][0] + edges[-1][1]) / 2) if edges else None
    if users:
        drawing.write((_MARGIN, users[1] + 4), "users")
    for edge, (y, height) in zip(drawn.edges, edges, strict=True):
        middle = y + height / 2
        if users:
            drawing.arrow(users, (_EDGE_X, middle), _stroke(edge))
        for cluster, span in _serving(drawn, clusters):
            start, end = (_EDGE_X + _EDGE_WIDTH, middle), (_FRAME_X + _GAP, span[0] + span[1] / 2)
            drawing.arrow(start, end, "cut" if "cut" in (_stroke(edge), _stroke(cluster)) else "line")
    for cluster, span in _serving(drawn, clusters):
        for one, (y, height) in zip(drawn.instances, right, strict=False):
            if cluster.name in one.clusters:
                start = (_FRAME_X + _GAP + _CLUSTER_WIDTH, span[0] + span[1] / 2)
                drawing.arrow(start, (_SITES_X, y + height / 2), _stroke(cluster))


def _serving(drawn: ZoneMap, spans: _Spans) -> list[tuple[MapPlace, tuple[float, float]]]:
    """Clusters in which some Instance has Machines."""
    used = {name for one in drawn.instances for name in one.clusters}
    return [(place, span) for place, span in zip(drawn.clusters, spans, strict=True) if place.name in used]


def _stroke(place: MapPlace) -> str:
    return "cut" if place.state in (State.ILL, State.OUT) else "line"


def _place(drawing: Drawing, kind: str, place: MapPlace, at: Point, size: Point) -> None:
    drawing.box(at, size, _BOXES[place.state])
    drawing.write((at[0] + 12, at[1] + 19), f"{kind} {place.name}".strip(), "name", room=size[0] - 90)
    told = _TOLD.get(place.state, "")
    if told:
        kind = "bad small" if place.state is State.ILL else "faint small"
        drawing.write((at[0] + size[0] - 10, at[1] + 19), told, kind, anchor="end")
    drawing.write((at[0] + 12, at[1] + 36), f"{place.operator}, {place.region}", "small faint", room=size[0] - 20)
    for number, machine in enumerate(place.machines):
        _machine(drawing, machine, (at[0] + 16, at[1] + _HEAD + _ROW * number + 12), size[0])


def _machine(drawing: Drawing, machine: MapMachine, at: Point, width: float) -> None:
    drawing.dot((at[0] + 2, at[1] - 4), _DOTS[machine.state], title=f"{machine.role}, {machine.state}")
    # Names are never cut: two of one Cluster differ in their ends.
    drawing.write((at[0] + 14, at[1]), machine.name, "small")
    if len(machine.name) + len(machine.role) <= (width - 50) / 5.7:
        drawing.write((at[0] + width - 28, at[1]), machine.role, "small faint", anchor="end")


def _instance(drawing: Drawing, one: MapInstance, at: Point, size: Point) -> None:
    drawing.box(at, size, "box")
    drawing.write((at[0] + 12, at[1] + 19), one.name, "name", room=size[0] - 20)
    drawing.write((at[0] + 12, at[1] + 36), f"{one.tenancy}, sites: {len(one.hosts):,}", "small faint")
    for number, line in enumerate(_lines(one)):
        drawing.write((at[0] + 16, at[1] + _HEAD + _ROW * number + 12), line, "small", room=size[0] - 26)


def _lines(one: MapInstance) -> list[str]:
    return [*_cut(one.hosts), *(f"→ {origin}" for origin in _cut(one.origins))]


def _cut(names: Sequence[str]) -> list[str]:
    if len(names) <= _MOST_LINES:
        return list(names)
    return [*names[: _MOST_LINES - 1], f"and {len(names) - _MOST_LINES + 1:,} more"]
