"""The map of a stack: what its spec plans and, where it is up, how each machine of it is."""

from collections.abc import Mapping
from typing import Any

from hdinfra.model.zone_map.zone_map import MapMachine, State, ZoneMap, map_of, with_states
from hdinfra.operate.decide import decide
from hdinfra.operate.engine import Engine
from hdinfra.operate.reports import witness_of
from hdinfra.operate.status import declared_of, look
from hdinfra.operate.workspace import Workspace


def zone_map(workspace: Workspace) -> ZoneMap:
    """The plan's map alone where the stack is not up; RefusedError for a spec that is refused."""
    deployed = Engine(workspace).deployed_with_secrets()
    drawn = map_of(decide(workspace, deployed).plan)
    if deployed is None or "status" not in deployed.outputs:
        return drawn
    known = declared_of(deployed, workspace.stack)
    return seen_map(drawn, look(known, witness_of(known, deployed, workspace.stack)).zone)


def seen_map(drawn: ZoneMap, seen: Mapping[str, Any]) -> ZoneMap:
    """The same with how the machines are, by a look as `hdinfra status` takes it. Pure."""
    of_clusters = {cluster["name"]: cluster["machines"] for cluster in seen["clusters"]}
    everyone = [one for machines in of_clusters.values() for one in machines]
    everyone += [
        *seen["edge"]["machines"],
        *seen["control"],
        *seen.get("dns", {}).get("machines", ()),
        *seen["bundles"],
        *seen["lab"],
    ]
    states = {one["name"]: State.WELL if one["healthy"] else State.ILL for one in everyone}
    extra = {name: [MapMachine(one["name"], one["role"]) for one in own] for name, own in of_clusters.items()}
    return with_states(drawn, states, extra)
