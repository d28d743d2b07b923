"""Policies follow from the plan: complete, sorted, and the same bytes for the same Zone."""

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hdinfra.agent.policy import ControlPolicy as ReadPolicy
from hdinfra.agent.policy import WafPolicy as ReadWafPolicy
from hdinfra.agent.policy import parse
from hdinfra.model.plan import Addresses, InstancePlan, ZonePlan
from hdinfra.model.policies import Pair, control_policy, lab_origin_policy, load_balancer_policy, waf_policy
from hdinfra.model.policy import ControlPolicy, LoadBalancerPolicy, WafPolicy, canonical, digest
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


def test_what_is_as_usual_is_not_in_a_sites_text() -> None:
    def text(**site: object) -> dict[str, Any]:
        changed = legal(*(setting(f"instances.0.tenants.0.sites.0.{name}", value) for name, value in site.items()))
        plan = planned(validated(ZoneSpec, changed))
        return {s["host"]: s for s in waf(plan, plan.instance("shop")).model_dump(mode="json")["sites"]}[
            "shop.acme.test"
        ]

    usual = text()
    assert usual.keys().isdisjoint({"profile", "excluded_paths", "excluded_networks", "rate", "cache"})
    usually = {"profile": "complete", "excluded_paths": [], "excluded_networks": [], "rate": None, "cache": None}
    assert text(**usually) == usual
    special = {
        "profile": "basic",
        "excluded_paths": ["/b", "/a/", "/b/"],
        "excluded_networks": ["2001:db8::/32", "192.0.2.0/24", "192.0.2.0/24"],
        "rate": {"per_second": 5},
        "cache": {},
    }
    assert text(**special) == usual | {
        "profile": "basic",
        "excluded_paths": ["/a", "/b"],
        "excluded_networks": ["192.0.2.0/24", "2001:db8::/32"],
        "rate": {"per_second": 5, "burst": 0},
        "cache": {"size_mib": 64},
    }


@given(zones())
def test_the_machine_reads_every_document_as_it_was_meant(spec: ZoneSpec) -> None:
    plan = planned(spec)
    for instance in plan.instances:
        read = parse(canonical(waf(plan, instance)).encode()).policy
        assert isinstance(read, ReadWafPolicy)
        for meant, site in zip(instance.sites, read.sites, strict=True):
            assert (site.host, site.profile, site.excluded_paths) == (meant.host, meant.profile, meant.excluded_paths)
            assert site.excluded_networks == meant.excluded_networks
            assert (site.rate and asdict(site.rate)) == (meant.rate and meant.rate.model_dump())
            assert (site.cache and asdict(site.cache)) == (meant.cache and meant.cache.model_dump())


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


def test_control_policy_says_where_the_api_machines_are() -> None:
    apis = {"b-control-1": ("192.0.2.2", "2001:db8::0:2"), "a-control-1": ("192.0.2.1", "2001:db8::1")}
    policy = control_policy(["10.0.0.0/8"], [], apis)
    assert [(api.name, str(api.ipv4), str(api.ipv6), api.port) for api in policy.apis] == [
        ("a-control-1", "192.0.2.1", "2001:db8::1", 9000),
        ("b-control-1", "192.0.2.2", "2001:db8::2", 9000),
    ]
    read = parse(canonical(policy).encode()).policy
    assert isinstance(read, ReadPolicy)
    assert [api.name for api in read.apis] == ["a-control-1", "b-control-1"]
    assert canonical(control_policy(["10.0.0.0/8"], [], dict(reversed(apis.items())))) == canonical(policy)


def test_control_policy_of_too_many_api_machines_is_refused() -> None:
    apis = {f"c{number}-control-1": (f"192.0.2.{number}", f"2001:db8::{number}") for number in range(17)}
    with pytest.raises(ValidationError, match="at most 16"):
        control_policy([], [], apis)


@pytest.mark.parametrize("changes", [{"name": "a b"}, {"ipv4": "x"}, {"ipv6": "fe80::1%eth0"}, {"port": 0}])
def test_control_policy_refuses_places_that_are_none(changes: dict[str, object]) -> None:
    api = {"name": "a-control-1", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "port": 9000}
    assert ControlPolicy.model_validate({"callers": [], "apis": [api]}).apis
    with pytest.raises(ValidationError):
        ControlPolicy.model_validate({"callers": [], "apis": [api | changes]})
