"""Decision 3: policies follow one another from the origins outwards; Machines wait for nobody."""

import hdinfra as hd
from hdinfra.operate.documents import planned_documents
from hdinfra.testing import Graph, Recorder
from tests.graph.specs import plan_of, without_edge

EDGE_POLICIES = ("edge-policy",)
WAF_POLICIES = ("instance-web-policy",)
LAB_POLICIES = ("lab-acme-shop-policy", "lab-globex-blog-policy")


def test_edges_are_told_last(local_zone: Graph) -> None:
    for name in EDGE_POLICIES:
        assert local_zone.named(name).depends_on >= set(WAF_POLICIES)
    for name in WAF_POLICIES:
        assert local_zone.named(name).depends_on >= set(LAB_POLICIES)
        assert local_zone.named(name).depends_on.isdisjoint(EDGE_POLICIES)


def test_the_api_is_reachable_before_anybody_is_told_anything(local_zone: Graph) -> None:
    for name in (*LAB_POLICIES, *WAF_POLICIES, *EDGE_POLICIES):
        assert local_zone.named(name).depends_on >= {"control-policy"}
    authorities = {"a-control-1-authority", "b-control-1-authority"}
    assert local_zone.named("control-policy").depends_on >= authorities
    callers = local_zone.named("control-policy").inputs["document"]["callers"]
    wan = [m.inputs["networks"][0] for m in local_zone.of_type("hdlocal:index:Machine")]
    assert {f"{at['ipv4']}/32" for at in wan} | {f"{at['ipv6']}/128" for at in wan} <= set(callers)


def test_the_control_policy_says_where_the_api_machines_are(local_zone: Graph) -> None:
    wan = {name: local_zone.named(name).inputs["networks"][0] for name in ("a-control-1", "b-control-1")}
    assert local_zone.named("control-policy").inputs["document"]["apis"] == [
        {"name": name, "ipv4": at["ipv4"], "ipv6": at["ipv6"], "port": 9000} for name, at in sorted(wan.items())
    ]


def test_no_machine_waits_for_another(local_zone: Graph) -> None:
    machines = local_zone.of_type("hdlocal:index:Machine")
    names = {machine.name for machine in machines}
    names |= {policy.name for policy in local_zone.of_type("hdpolicy:index:Policy")}
    assert all(machine.depends_on.isdisjoint(names) for machine in machines)


def test_wafs_believe_the_edges_and_only_them(local_zone: Graph) -> None:
    edges = {
        at[family]
        for place in ("east-edge", "west-edge")
        for at in local_zone.named(place).inputs["networks"]
        for family in ("ipv4", "ipv6")
    }
    for name in WAF_POLICIES:
        assert set(local_zone.named(name).inputs["document"]["edges"]) == edges


def test_edges_send_to_the_wafs_public_addresses(local_zone: Graph) -> None:
    wan = {name: local_zone.named(name).inputs["networks"][0] for name in ("a-web-1", "b-web-1")}
    for name in EDGE_POLICIES:
        (instance,) = local_zone.named(name).inputs["document"]["instances"]
        found = {b["name"]: (b["cluster"], b["ipv4"], b["ipv6"]) for b in instance["backends"]}
        assert found == {machine: (machine.partition("-")[0], at["ipv4"], at["ipv6"]) for machine, at in wan.items()}


def test_a_sites_origins_are_both_addresses_of_its_lab_machine(local_zone: Graph) -> None:
    wan = local_zone.named("lab-acme-shop").inputs["networks"][0]
    sites = local_zone.named("instance-web-policy").inputs["document"]["sites"]
    (shop,) = [site for site in sites if site["host"] == "shop.acme.test"]
    assert {origin["address"] for origin in shop["origins"]} == {wan["ipv4"], wan["ipv6"]}


def test_lab_origins_answer_for_their_own_sites(local_zone: Graph) -> None:
    hosts = {name: local_zone.named(name).inputs["document"]["hosts"] for name in LAB_POLICIES}
    assert hosts == {
        "lab-acme-shop-policy": ["shop.acme.test"],
        "lab-globex-blog-policy": ["blog.globex.test"],
    }


def test_an_instance_without_an_edge_still_has_its_policy(record: Recorder) -> None:
    plan = plan_of(without_edge())
    graph = record(lambda: hd.declare(plan))
    policies = {policy.name for policy in graph.of_type("hdpolicy:index:Policy")}
    assert policies == {"control-policy", *WAF_POLICIES, *LAB_POLICIES}
    assert graph.named("instance-web-policy").inputs["document"]["edges"] == []


def test_policy_diff_plans_the_documents_that_a_program_declares(local_zone: Graph) -> None:
    planned = planned_documents(plan_of())
    declared = {p.inputs["scope"]: p.inputs for p in local_zone.of_type("hdpolicy:index:Policy")}
    assert {scope: one.document for scope, one in planned.items()} == {s: p["document"] for s, p in declared.items()}
    assert {scope: one.members for scope, one in planned.items()} == {s: p["members"] for s, p in declared.items()}
