"""What a machine of the mesh has besides: WireGuard's tools, its userspace for kernels without it, and a firewall that
lets nothing but the planes' own ports out of the tunnels."""

from dataclasses import replace

from hdinfra.machine.machine import Firewall, Machine, MeshFirewall, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.mesh import PORTS
from hdinfra.model.plan import MachinePlan, MeshSeat

PACKAGES = ("iproute2", "wireguard-go", "wireguard-tools")

EDGE_HOSTS, WAF_HOSTS = "edge_hosts", "waf_hosts"
"""Sets of addresses to which tunnels run: the edge's at a WAF, the WAFs' at an edge. Policy fills them."""


def in_mesh(machine: Machine, plan: MachinePlan) -> Machine:
    """The machine as a member of its plan's mesh, or as it is where the plan has none."""
    if plan.mesh is None:
        return machine
    return replace(
        machine,
        packages=(*machine.packages, *PACKAGES),
        units=(*machine.units, Unit("hdinfra-mesh@.service", content=asset("hdinfra-mesh@.service"), enabled=False)),
        firewall=_firewall(machine.firewall, plan.role, plan.mesh),
    )


def _firewall(outside: Firewall, role: str, seat: MeshSeat) -> Firewall:
    """What a WAF opens for the edge it opens inside the mesh alone, and there alone the edge asks."""
    networks = str(seat.network.ipv4), str(seat.network.ipv6)
    match role:
        case "waf":
            mesh = MeshFirewall(networks, inbound_tcp=outside.restricted_tcp)
            return _with_tunnels(replace(outside, restricted_tcp={}, mesh=mesh), EDGE_HOSTS)
        case "load-balancer":
            mesh = MeshFirewall(networks, outbound_sets=outside.outbound_sets)
            return _with_tunnels(replace(outside, outbound_sets=(), mesh=mesh), WAF_HOSTS)
    raise ValueError(f"a machine of the role `{role}` has no place in the mesh")


def _with_tunnels(firewall: Firewall, hosts: str) -> Firewall:
    ports = dict.fromkeys(PORTS, hosts)
    return replace(firewall, restricted_udp=ports, outbound_udp=ports)
