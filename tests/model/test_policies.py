"""Policies follow from the plan: complete, sorted, and the same bytes for the same Zone."""

from hypothesis import given
from hypothesis import strategies as st

from hdinfra.model.plan import Addresses, InstancePlan, ZonePlan
from hdinfra.model.policies import Pair, lab_origin_policy, load_balancer_policy, waf_policy
from hdinfra.model.policy import LoadBalancerPolicy, WafPolicy, canonical, digest
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.legal import legal, setting
from tests.strategies import planned, shuffled, zones


def public(plan: ZonePlan) -> dict[str, Pair]:
    return {machine.name: machine.public for machine in plan.machines if machine.public}


def waf(plan: ZonePlan, instance: InstancePlan) -> WafPolicy:
    lab = {m.name.removeprefix("lab-"): m.public for m in plan.lab.origins if m.public}
    return waf_policy(
        instance, lab, [a for m in (plan.edge.machines if plan.edge else ()) if m.public for a in m.public]
    )


def balancer(plan: ZonePlan) -> LoadBalancerPolicy:
    return load_balancer_policy([(instance, public(plan)) for instance in plan.instances])


@given(zones(), st.integers())
def test_order_changes_no_byte(spec: ZoneSpec, seed: int) -> None:
    one, other = planned(spec), planned(shuffled(spec, seed))
    for first, second in zip(one.instances, other.instances, strict=True):
        assert digest(waf(one, first)) == digest(waf(other, second))
    assert canonical(balancer(one)) == canonical(balancer(other))


@given(zones())
def test_every_document_is_read_back_from_its_text(spec: ZoneSpec) -> None:
    plan = planned(spec)
    document = balancer(plan)
    assert LoadBalancerPolicy.model_validate_json(canonical(document)) == document
    for instance in plan.instances:
        assert WafPolicy.model_validate_json(canonical(waf(plan, instance))) == waf(plan, instance)


def test_waf_policy_names_origins_and_edges_in_both_families() -> None:
    plan = planned(validated(ZoneSpec, legal(setting("network", {"ipv6": "fd00:1:2::/48"}))))
    policy = waf(plan, plan.instance("shop"))
    assert [(s.host, s.tenant, [f"{o.address} {o.port}" for o in s.origins]) for s in policy.sites] == [
        ("blog.globex.test", "globex", ["192.0.2.7 80"]),
        ("shop.acme.test", "acme", ["10.64.5.11 80", "fd00:1:2::50b 80"]),
    ]
    assert [str(edge) for edge in policy.edges] == ["10.64.3.10", "10.64.4.10", "fd00:1:2::30a", "fd00:1:2::40a"]


def test_addresses_may_be_texts_or_a_plans_pairs() -> None:
    plan = planned(validated(ZoneSpec, legal()))
    instance = plan.instance("shop")
    texts = {name: (str(pair[0]), str(pair[1])) for name, pair in public(plan).items()}
    assert load_balancer_policy([(instance, texts)]) == load_balancer_policy([(instance, public(plan))])
    assert all(isinstance(pair, Addresses) for pair in public(plan).values())


def test_edge_policy_leaves_out_instances_without_sites() -> None:
    policy = balancer(planned(validated(ZoneSpec, legal())))
    assert [(i.name, len(i.backends)) for i in policy.instances] == [("shop", 4)]
    assert [(s.host, s.instance) for s in policy.sites] == [("blog.globex.test", "shop"), ("shop.acme.test", "shop")]
    assert {b.name.removesuffix(f"-shop-{b.name[-1]}") == b.cluster for b in policy.instances[0].backends} == {True}


def test_lab_policy_names_the_sites_on_it() -> None:
    plan = planned(validated(ZoneSpec, legal()))
    assert lab_origin_policy("web", plan.instances).hosts == ("shop.acme.test",)
    assert lab_origin_policy("app", plan.instances).hosts == ()
