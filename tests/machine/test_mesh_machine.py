"""What a machine of the mesh is made of, read by the programs it is for."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from hdinfra.agent import load_balancer, waf, wireguard
from hdinfra.agent.mesh_policy import MeshPolicy
from hdinfra.agent.policy import LoadBalancerPolicy, WafPolicy
from hdinfra.machine.cloud_init import all_files, user_data_bytes
from hdinfra.machine.firewall import ruleset
from hdinfra.machine.first_boot import sample_first_boot
from hdinfra.machine.machine import Machine
from hdinfra.machine.roles import machine_of
from hdinfra.model.mesh import PORTS
from hdinfra.model.plan import Addresses, MachinePlan, MeshSeat, Prefixes
from tests.machine.debian import Debian, planned
from tests.machine.test_mesh import ALL


def in_mesh(role: str) -> MachinePlan:
    """A plan of this role in a mesh."""
    network = Prefixes(IPv4Network("10.64.240.0/20"), IPv6Network("fd00:0:0:ffff::/64"))
    seat = MeshSeat(Addresses(IPv4Address("10.64.240.10"), IPv6Address("fd00:0:0:ffff::a")), network)
    return replace(planned(role), mesh=seat)


def machine_in_mesh(role: str) -> Machine:
    return machine_of("india", in_mesh(role))


@pytest.mark.parametrize("role", ["waf", "load-balancer"])
def test_nft_takes_the_rules_of_a_mesh(debian: Callable[[str], Debian], role: str) -> None:
    place = debian(role)
    place.put({"/tmp/mesh.nft": ruleset(machine_in_mesh(role).firewall)})
    assert place.run("nft", "-c", "-f", "/tmp/mesh.nft") == (0, "")


def test_out_of_the_mesh_come_the_planes_own_ports_alone() -> None:
    rules = ruleset(machine_in_mesh("waf").firewall)
    inbound = rules.partition("chain inbound")[2].partition("chain")[0]
    mesh = [line.strip() for line in inbound.splitlines() if 'iifname "hdmesh*"' in line]
    assert [line for line in mesh if "dport" in line] == [
        'iifname "hdmesh*" ip saddr @edges4 tcp dport 80 accept',
        'iifname "hdmesh*" ip6 saddr @edges6 tcp dport 80 accept',
    ]
    assert mesh[-1] == 'iifname "hdmesh*" drop'
    outside = [line.strip() for line in inbound.splitlines() if "hdmesh" not in line]
    assert not [line for line in outside if "tcp dport 80" in line], "port 80 is open outside of the mesh"


def test_nothing_for_the_mesh_leaves_by_another_way() -> None:
    rules = ruleset(machine_in_mesh("load-balancer").firewall)
    outbound = [line.strip() for line in rules.partition("chain outbound")[2].splitlines()]
    shut = [
        n for n, line in enumerate(outbound) if "daddr 10.64.240.0/20" in line or "daddr fd00:0:0:ffff::/64" in line
    ]
    assert len(shut) == 2 and all("reject" in outbound[n] for n in shut)
    open_ = [n for n, line in enumerate(outbound) if "@upstreams" in line]
    assert all('oifname "hdmesh*"' in outbound[n] for n in open_) and len(open_) == 2
    answers = next(n for n, line in enumerate(outbound) if line.startswith("ct state established"))
    assert max(*shut, *open_) < answers, "an answer could leave in the clear"


@pytest.mark.parametrize("role", ["control", "lab-origin", "bundle-store", "waf", "load-balancer"])
def test_a_machine_outside_of_a_mesh_knows_nothing_of_it(role: str) -> None:
    machine = machine_of("india", planned(role))
    assert machine.firewall.mesh is None and "wireguard-tools" not in machine.packages
    assert not [file.path for file in all_files(machine) if "hdmesh" in file.content or "51820" in file.content]


def test_a_role_without_a_place_in_the_mesh_is_a_slip() -> None:
    with pytest.raises(ValueError, match="no place in the mesh"):
        machine_in_mesh("control")


def test_ports_are_those_that_the_firewall_opens() -> None:
    assert wireguard.PORTS == PORTS


@pytest.mark.parametrize("role", ["waf", "load-balancer"])
def test_fits_into_14_kib_with_all_that_a_first_boot_is_told(role: str) -> None:
    told = (sample_first_boot(["x" * 63] * 4, control=False).file(),)
    assert user_data_bytes(machine_in_mesh(role), told) <= 14 * 1024


def test_policy_fills_the_sets_that_the_base_has(debian: Callable[[str], Debian]) -> None:
    """Base and policy are loaded at once, or neither is."""
    mesh = MeshPolicy(1, 1420, ALL[:1], ALL[1:])
    edges = tuple(one for peer in mesh.peers for one in (peer.inner_ipv4, peer.inner_ipv6))
    rendered = {
        "waf": waf.render(WafPolicy((), edges, mesh=mesh)),
        "load-balancer": load_balancer.render(LoadBalancerPolicy((), (), mesh=mesh)),
    }
    for role, files in rendered.items():
        place = debian(role)
        place.policy({path: text for path, text in files.items() if path.endswith(".nft")})
        before = place.run("cat", "/etc/hdinfra/firewall.nft")[1]
        try:
            place.put({"/etc/hdinfra/firewall.nft": ruleset(machine_in_mesh(role).firewall)})
            assert place.run("nft", "-c", "-f", "/etc/hdinfra/firewall.nft") == (0, "")
            place.put({"/etc/hdinfra/firewall.nft": before})
            code, words = place.run("nft", "-c", "-f", "/etc/hdinfra/firewall.nft")
            assert (code, "hosts" in words) == (1, True), "a base without a mesh has no such set"
        finally:
            place.put({"/etc/hdinfra/firewall.nft": before})
            place.policy({})
