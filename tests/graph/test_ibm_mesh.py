"""The mesh's tunnels on IBM Cloud, where each peer is a rule of its own."""

import pytest

from hdinfra.model.mesh import PORTS
from hdinfra.testing import Graph
from tests.graph.answers import OUTPUTS
from tests.graph.ibm_zone import FLOATING_IP, RULE, SPEC, declared

MESH = f"{SPEC}network: {{mesh: {{}}}}\n"


@pytest.fixture(scope="module")
def mesh() -> Graph:
    return declared(MESH)


def let_in(graph: Graph, group: str) -> set[tuple[int, str]]:
    """UDP port and address that this group's rules let in."""
    return {
        (int(rule.inputs["portMin"]), rule.inputs["remote"])
        for rule in graph.of_type(RULE)
        if rule.name.startswith(f"{group}-firewall-") and rule.inputs["direction"] == "inbound"
        if rule.inputs["protocol"] == "udp"
    }


@pytest.mark.parametrize(("group", "peers"), [("fra-web", "-edge"), ("lon-web", "-edge"), ("mad-edge", "-web-")])
def test_wafs_let_in_the_edges_tunnels_and_edges_the_wafs(mesh: Graph, group: str, peers: str) -> None:
    kept = [one.name for one in mesh.of_type(FLOATING_IP) if peers in one.name]
    assert len(kept) > 1
    addresses = {str(OUTPUTS[FLOATING_IP](name, {})["address"]) for name in kept}
    assert let_in(mesh, group) == {(port, address) for port in PORTS for address in addresses}


def test_without_a_mesh_no_udp_is_let_in() -> None:
    graph = declared()
    assert not [rule for rule in graph.of_type(RULE) if rule.name.partition("-firewall-")[2].startswith("in-udp")]
