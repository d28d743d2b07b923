"""What a status page is fed with: one flat document of sites, Clusters and edges, in a status page's own words. Pure.

It says nothing that a stranger should not read: no address, no machine of a cloud's, no tenant.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Json = Mapping[str, Any]


class State(StrEnum):
    """As Atlassian's Statuspage calls them, from the best to the worst; most other status pages take the same words."""

    OPERATIONAL = "operational"
    DEGRADED = "degraded_performance"
    PARTIAL = "partial_outage"
    MAJOR = "major_outage"


_GRAVITY = tuple(State)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(_Part):
    """One line of a status page. `id` is the same at every run, so that a page's history stays its own."""

    id: str = Field(pattern=r"^(site|cluster|edge|entrance|pool|control)/[a-z0-9.-]+$")
    kind: Literal["site", "cluster", "edge", "entrance", "pool", "control"]
    name: str
    state: State
    detail: str = Field(description="Why, in a few words; empty where all is well")


class StatusDocument(_Part):
    """`hdinfra status --document`. `state`: the worst of what users meet, sites or an entrance, where there are any."""

    format: Literal[1] = 1
    name: str = Field(description="The Zone, or the edge by itself")
    looked_at: str = Field(description="When, in UTC (RFC 3339)")
    state: State
    components: tuple[Component, ...]


def zone_document(zone: Json, uncertified: Sequence[str], at: float) -> StatusDocument:
    """Of a look at a Zone (`hdinfra.operate.status.look`) at `at`, seconds since 1970. `uncertified`: hosts that some
    edge shows no valid certificate for."""
    edges = zone["edge"]["machines"]
    components = [
        *(_site(site, zone, site["host"] in uncertified) for site in zone["sites"]),
        *(_crowd("cluster", one["name"], one["machines"]) for one in zone["clusters"]),
        *(_crowd("edge", one["name"], [one]) for one in edges),
        *([_crowd("control", "management", zone["control"])] if zone["control"] else ()),
    ]
    return _document(str(zone["zone"]), components, at)


def edge_document(edge: Json, at: float) -> StatusDocument:
    """Of a look at an edge by itself (`hdinfra.operate.edge_status.look_at_edge`)."""
    entrance = Component(
        id=f"entrance/{edge['host']}",
        kind="entrance",
        name=edge["host"],
        state=State.OPERATIONAL if edge["serves"] else State.MAJOR,
        detail="" if edge["serves"] else edge["said"],
    )
    return _document(str(edge["edge"]), [entrance, *map(_pool, edge["pools"])], at)


def _document(name: str, components: Sequence[Component], at: float) -> StatusDocument:
    met = [one for one in components if one.kind in ("site", "entrance")] or components
    return StatusDocument(
        name=name,
        looked_at=datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        state=worst(one.state for one in met),
        components=tuple(components),
    )


def worst(states: Iterable[State]) -> State:
    """The gravest of them; well, where there is none."""
    return max(states, key=_GRAVITY.index, default=State.OPERATIONAL)


def _site(site: Json, zone: Json, uncertified: bool) -> Component:
    """What its users meet: nobody, or nobody before it, is an outage; a lost Machine among several is none."""
    machines = [
        machine
        for cluster in zone["clusters"]
        for machine in cluster["machines"]
        if machine["instance"] == site["instance"]
    ]
    edges = zone["edge"]["machines"]
    state, detail = State.OPERATIONAL, ""
    if not any(machine["healthy"] for machine in machines):
        state, detail = State.MAJOR, "no machine serves it"
    elif edges and not any(edge["healthy"] for edge in edges):
        state, detail = State.MAJOR, "no edge serves it"
    elif uncertified:
        state, detail = State.PARTIAL, "its certificate is not shown everywhere"
    return Component(id=f"site/{site['host']}", kind="site", name=site["host"], state=state, detail=detail)


def _crowd(kind: Literal["cluster", "edge", "control"], name: str, machines: Sequence[Json]) -> Component:
    well = sum(bool(machine["healthy"]) for machine in machines)
    if well == len(machines):
        state, detail = State.OPERATIONAL, ""
    else:
        state = State.PARTIAL if well else State.MAJOR
        detail = f"{well} of {len(machines)} machines serve"
    return Component(id=f"{kind}/{name}", kind=kind, name=name, state=state, detail=detail)


def _pool(pool: Json) -> Component:
    """Drained on purpose is no outage; a pool that nobody can ask by itself is as well as nobody knows otherwise."""
    if pool["drained"]:
        state, detail = State.DEGRADED, "in maintenance"
    elif pool["serves"] is False:
        state, detail = State.MAJOR, pool["said"]
    else:
        state, detail = State.OPERATIONAL, "" if pool["serves"] else "it has no direct name to be asked by"
    return Component(id=f"pool/{pool['name']}", kind="pool", name=pool["name"], state=state, detail=detail)
