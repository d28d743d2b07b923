"""Too much user data is seen in the plan, not at the provider's door."""

from ipaddress import IPv4Network, IPv6Network

from hdinfra.machine.limits import byol_refusals, user_data_refusals
from hdinfra.model.held import Held
from hdinfra.model.plan import EdgePlan, InstancePlan, LabPlan, Prefixes, ZonePlan
from hdinfra.model.spec import App, Provider
from tests.machine.debian import planned
from tests.model import byol_specs as byol
from tests.model.legal import setting


def zone() -> ZonePlan:
    """An Instance of two WAF machines and one edge."""
    machines = (planned("waf", "c1-shop-1"), planned("waf", "c2-shop-1"))
    instance = InstancePlan("shop", App.WAF, "shared", 1, machines, (), ())
    prefixes = Prefixes(IPv4Network("10.64.0.0/12"), IPv6Network("fd00::/48"))
    edge = EdgePlan((planned("load-balancer", "p1-edge"),))
    return ZonePlan("india", "india", prefixes, None, (), (instance,), edge, LabPlan(), Held())


def test_names_role_limit_and_biggest_files() -> None:
    waf, edge = sorted(user_data_refusals(zone(), {Provider.LOCAL: 1_000}), key=lambda refusal: refusal.path)[::-1]
    assert [(waf.rule, waf.path), (edge.rule, edge.path)] == [
        ("machine.user-data-limit", "instances[0]"),
        ("machine.user-data-limit", "edge.places[0]"),
    ]
    assert "takes at most 1,000" in waf.message
    assert "/usr/lib/hdinfra/droplet" in waf.message


def test_what_fits_is_not_refused() -> None:
    assert user_data_refusals(zone(), {Provider.LOCAL: 16_384}) == ()
    assert user_data_refusals(zone()) == ()


def test_what_does_not_fit_even_without_the_code_is_the_sites() -> None:
    at_aws = (*byol.AT_AWS, setting("code_url", "https://code.acme.test/hdinfra"))
    assert byol_refusals(byol.plan_of(byol.on_cloud(*at_aws))) == ()
    sites = [{**byol.SITE, "host": f"shop{number}.acme.test"} for number in range(3)]
    (found,) = byol_refusals(byol.plan_of(byol.on_cloud(*at_aws, setting("sites", sites))), {Provider.AWS: 4_000})
    assert "policy with it" in found.message and "code" not in found.message
    assert found.fix.startswith("take some of the 3 `sites` out") and "install: true" in found.fix


def test_a_byol_machine_that_a_provider_would_reject_is_refused_with_the_other_way() -> None:
    plan = byol.plan_of(byol.on_cloud())
    (found,) = byol_refusals(plan, {Provider.LOCAL: 16_384})
    assert (found.rule, found.path) == ("machine.user-data-limit", "provider")
    assert "takes at most 16,384" in found.message
    assert "code_url: https://" in found.fix and "install: true" in found.fix
    assert byol_refusals(plan, {Provider.LOCAL: 65_536}) == ()
    assert byol_refusals(plan) == ()
    assert byol_refusals(byol.plan_of(byol.installed()), {Provider.LOCAL: 16_384}) == ()
