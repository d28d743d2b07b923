"""What entrances a Zone has, which is in force, and what its name servers answer."""

from typing import Any

from hdinfra.operate.control import control_of
from hdinfra.operate.edge_health import health_of
from hdinfra.operate.edge_servers import delegation, servers_of
from hdinfra.operate.edge_switch import deployed_of, running
from hdinfra.operate.engine import Engine
from hdinfra.operate.workspace import Workspace


def show_edge(workspace: Workspace) -> dict[str, Any]:
    """Plain data. WorkspaceError for a stack without name servers; what does not answer is told, not raised."""
    engine = Engine(workspace)
    deployed = deployed_of(engine)
    with control_of(deployed, workspace.stack) as control:
        now = running(engine, control, deployed)
    document, servers = now.document, servers_of(now.known, now.document)
    rows = servers.rows()
    in_force = document["entrance"]
    return {
        "name": document["name"],
        "alias": servers.alias,
        "entrance": in_force,
        "ttl_seconds": document["ttl_seconds"],
        "entrances": [_entrance(one, document, now.known.hosts) for one in document["entrances"]],
        "servers": rows,
        "agreed": all(row["leads_to"] == servers.leads[in_force] and not row["problem"] for row in rows),
        "delegation": delegation(document),
    }


def _entrance(one: Any, document: Any, hosts: Any) -> dict[str, Any]:
    health = health_of(document, one["name"], hosts)
    return {
        "name": one["name"],
        "places": list(one["places"]),
        "target": one["target"],
        "well": health.well,
        "health": health.words,
    }
