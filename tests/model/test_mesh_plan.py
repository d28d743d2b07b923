"""The mesh: every pair agrees, nobody's address moves, and the largest packet fits into what carries it."""

from ipaddress import ip_network
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.model.addressing import FIRST_NUMBER
from hdinfra.model.held import Held, HeldMesh
from hdinfra.model.mesh import LAST_NUMBER, OVERHEAD, PORTS, mesh_mtu, mesh_numbers, peers_of, speak
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import NOTHING_HELD, plan_zone
from hdinfra.model.policies import load_balancer_policy, mesh_of, waf_policy
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.legal import legal, setting
from tests.strategies import WIDE, planned, zones

NAMES = st.lists(st.sampled_from([f"m{i}" for i in range(300)]), unique=True, max_size=260)


def meshed(spec: ZoneSpec, version: int = 1) -> ZoneSpec:
    """The spec with a mesh."""
    network = {**spec.network.model_dump(mode="json"), "mesh": {"version": version}}
    return ZoneSpec.model_validate({**spec.model_dump(mode="json"), "network": network})


def legal_plan(version: int = 1, held: Held = NOTHING_HELD) -> ZonePlan:
    """The plan of the legal spec with a mesh."""
    return plan_zone(validated(ZoneSpec, legal(setting("network", {"mesh": {"version": version}}))), held, WIDE)


@settings(deadline=None)
@given(zones())
def test_every_pair_agrees_and_none_is_of_one_place(spec: ZoneSpec) -> None:
    plan = planned(meshed(spec))
    for one, other in combinations(plan.machines, 2):
        assert speak(one, other) == speak(other, one)
        if speak(one, other):
            assert {one.role, other.role} == {"load-balancer", "waf"} and one.place != other.place
    for machine in plan.machines:
        assert (machine.mesh is None) == (machine.role not in ("load-balancer", "waf"))
        assert all(machine in peers_of(peer, plan.machines) for peer in peers_of(machine, plan.machines))


@settings(deadline=None)
@given(zones())
def test_no_address_is_anybody_elses(spec: ZoneSpec) -> None:
    plan = planned(meshed(spec))
    assert plan.mesh is not None
    inside = [m.mesh.addresses for m in plan.machines if m.mesh]
    every = [address for pair in inside for address in pair]
    assert len(set(every)) == 2 * len(inside)
    for network in (plan.mesh.network.ipv4, plan.mesh.network.ipv6):
        assert sum(address in network for address in every) == len(inside)
        pool = plan.network.ipv4 if network.version == 4 else plan.network.ipv6
        assert ip_network(network).subnet_of(pool)  # type: ignore[arg-type]
        for cluster in plan.clusters:
            own = cluster.prefixes.ipv4 if network.version == 4 else cluster.prefixes.ipv6
            assert not network.overlaps(own)  # type: ignore[arg-type]
        outside = [a for m in plan.machines for pair in (m.private, m.public) if pair for a in pair]
        assert not [address for address in outside if address in network]


@settings(deadline=None)
@given(zones())
def test_without_a_mesh_the_rest_of_a_plan_is_the_same(spec: ZoneSpec) -> None:
    bare, plan = planned(spec), planned(meshed(spec))
    assert bare.mesh is None and "mesh" not in bare.held.model_dump(mode="json")
    assert [(m.name, m.private, m.public, m.size) for m in bare.machines] == [
        (m.name, m.private, m.public, m.size) for m in plan.machines
    ]


@given(NAMES, NAMES)
def test_who_comes_moves_nobody(names: list[str], more: list[str]) -> None:
    before = mesh_numbers(names, {})
    after = mesh_numbers([*names, *(name for name in more if name not in names)], before)
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)
    assert all(FIRST_NUMBER <= number <= LAST_NUMBER for number in after.values())


@given(st.lists(st.integers(1360, 9001), min_size=1))
def test_a_packet_and_what_goes_around_it_fit_on_every_path(outer: list[int]) -> None:
    inside = mesh_mtu(outer)
    ipv6, udp, wireguard = 40, 8, 32
    assert ipv6 + udp + wireguard == OVERHEAD
    assert all(inside + OVERHEAD <= path for path in outer)
    assert inside >= 1280, "less would be no IPv6 (RFC 8200)"


def test_over_1500_bytes_it_is_1420() -> None:
    plan = legal_plan()
    assert plan.mesh is not None
    assert (plan.mesh.mtu, mesh_mtu([1500, 1460])) == (1420, 1380)


def test_versions_in_a_row_have_ports_of_their_own() -> None:
    assert len(set(PORTS)) == 2


def test_what_is_held_says_how_far_keys_are() -> None:
    first = legal_plan()
    assert first.held.mesh is not None and first.held.mesh.version == 1
    again = legal_plan(held=first.held)
    assert again.held == first.held
    second = legal_plan(2, first.held)
    assert second.held.mesh == HeldMesh(version=2, numbers=first.held.mesh.numbers)
    assert second.held.serial == first.held.serial + 1


def test_a_mesh_that_is_left_out_keeps_its_version() -> None:
    held = legal_plan(7).held
    bare = plan_zone(validated(ZoneSpec, legal()), held, WIDE)
    assert (bare.mesh, bare.held.mesh) == (None, held.mesh)
    assert not [machine for machine in bare.machines if machine.mesh]
    with pytest.raises(RefusedError, match=r"mesh\.version-down"):
        legal_plan(6, bare.held)


def test_policies_speak_inside_and_tell_where_tunnels_end() -> None:
    plan = legal_plan()
    shop = plan.instance("shop")
    edges = plan.edge.machines if plan.edge else ()
    hosts = {machine.name: machine.public for machine in plan.machines if machine.public}
    told = waf_policy(shop, hosts_of_lab(plan), [], mesh_of(plan.mesh, shop.machines, edges, hosts))
    inside = {address for edge in edges if edge.mesh for address in edge.mesh.addresses}
    assert set(told.edges) == inside and len(inside) == 4
    assert told.mesh is not None
    assert [(m.name, (m.ipv4, m.ipv6)) for m in told.mesh.peers] == [(edge.name, edge.public) for edge in edges]
    edge_mesh = mesh_of(plan.mesh, edges, shop.machines, hosts)
    asked = load_balancer_policy([(shop, hosts)], edges, mesh=edge_mesh)
    assert {(b.ipv4, b.ipv6) for one in asked.instances for b in one.backends} == {
        machine.mesh.addresses for machine in shop.machines if machine.mesh
    }


def test_without_a_mesh_documents_do_not_speak_of_one() -> None:
    plan = plan_zone(validated(ZoneSpec, legal()), NOTHING_HELD, WIDE)
    shop = plan.instance("shop")
    hosts = {machine.name: machine.public for machine in plan.machines if machine.public}
    assert mesh_of(plan.mesh, shop.machines, (), hosts) is None
    assert "mesh" not in waf_policy(shop, hosts_of_lab(plan), []).model_dump(mode="json")
    assert "mesh" not in load_balancer_policy([(shop, hosts)]).model_dump(mode="json")


def hosts_of_lab(plan: ZonePlan) -> dict[str, tuple[str, str]]:
    """Lab machines' addresses by the names of the spec."""
    return {
        machine.name.removeprefix("lab-"): (str(machine.public.ipv4), str(machine.public.ipv6))
        for machine in plan.lab.origins
        if machine.public
    }
