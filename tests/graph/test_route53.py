"""Places of an edge at Route 53: a check for each address, and a record for each place and family while it is well."""

import pulumi
import pulumi_aws
import pytest

import hdinfra as hd
from hdinfra.model.plan import ZonePlan
from hdinfra.model.refusal import RefusedError
from hdinfra.model.regions import load_catalogue
from hdinfra.model.route53 import kilometres, nearest_aws
from hdinfra.model.spec import Feature, Provider, ZoneSpec
from hdinfra.model.typed import validated
from hdinfra.testing import Graph, Recorder, Registered, wrong_inputs
from tests.graph.answers import INVOKES, OUTPUTS
from tests.graph.clouds import sdk_classes
from tests.graph.specs import clock
from tests.graph.test_stock_mocks import Run, run  # noqa: F401  a fixture
from tests.model.cloud_specs import WHY, europe
from tests.model.legal import Change, setting

CHECK, RECORD = "aws:route53/healthCheck:HealthCheck", "aws:route53/record:Record"
SITES = [{"host": host, "origins": [{"address": "192.0.2.7"}]} for host in ("shop.acme.test", "www.other.test")]
SPEC = hd.Route53Spec(name="acme.test", ttl_seconds=60)


def zone_plan(*changes: Change) -> ZonePlan:
    """Places at AWS and Hetzner, and a site within the hosted zone and one outside."""
    sites = setting("instances.0.tenants", [{"name": "acme", "sites": SITES}])
    return hd.planned(validated(ZoneSpec, europe(sites, *changes)))


def program(zone: ZonePlan) -> None:
    made = hd.declare(zone, clock)
    assert made.edge is not None
    aws = pulumi_aws.Provider("route53-provider", region="us-east-1")
    plan = hd.plan_route53(SPEC, zone)
    hd.Route53Edge("users", hd.Route53EdgeArgs(plan, made.edge, "Z0123456789", aws))


def recorded(zone: ZonePlan) -> Graph:
    return Recorder(outputs=OUTPUTS, invokes=INVOKES)(lambda: program(zone))


@pytest.fixture(scope="module")
def graph() -> Graph:
    return recorded(zone_plan())


def records(graph: Graph) -> dict[str, Registered]:
    return {one.name: one for one in graph.of_type(RECORD)}


def test_it_keeps_the_rules_of_all_graphs(graph: Graph) -> None:
    assert graph.duplicates() == frozenset()
    assert graph.without_provider() == graph.unfinished() == ()
    assert [one.name for one in graph.orphans()] == ["route53-provider"], "the user's own, which this test made"
    assert wrong_inputs(graph, sdk_classes(graph, "aws", "pulumi_aws")) == ()
    assert {one.provider for one in (*graph.of_type(CHECK), *graph.of_type(RECORD))} == {"route53-provider"}


def test_each_family_of_each_place_has_a_record_and_a_check(graph: Graph) -> None:
    found = {name: one.inputs for name, one in records(graph).items() if one.inputs["type"] != "CNAME"}
    assert sorted(found) == ["users-dub-a", "users-dub-aaaa", "users-hel-a", "users-hel-aaaa"]
    checks = {f"{one.name}-id": one.inputs for one in graph.of_type(CHECK)}
    for name, inputs in found.items():
        check = checks[inputs["healthCheckId"]]
        assert (inputs["name"], inputs["ttl"], inputs["setIdentifier"]) == ("sites.acme.test", 60, name.split("-")[1])
        assert inputs["records"] == [check["ipAddress"]]
        assert (":" in check["ipAddress"]) is (inputs["type"] == "AAAA")
        assert (check["type"], check["port"], check["resourcePath"]) == ("HTTP", 80, "/healthz")
        assert (check["requestInterval"], check["failureThreshold"]) == (10, 2)
    regions = {name: inputs["latencyRoutingPolicies"] for name, inputs in found.items()}
    assert regions["users-dub-a"] == [{"region": "eu-west-1"}]
    assert regions["users-hel-a"] == [{"region": "eu-north-1"}], "Stockholm is the nearest that AWS has to Helsinki"


def test_sites_of_the_hosted_zone_are_aliases_and_no_others(graph: Graph) -> None:
    aliases = {one.inputs["name"]: one.inputs for one in records(graph).values() if one.inputs["type"] == "CNAME"}
    assert {host: inputs["records"] for host, inputs in aliases.items()} == {"shop.acme.test": ["sites.acme.test"]}


def test_a_place_of_several_addresses_is_well_while_one_of_them_is() -> None:
    zone = zone_plan(setting("edge.places.0.load_balancer", True), setting("edge.places.0.machines", 2))
    graph = recorded(zone)
    record = records(graph)["users-dub-a"].inputs
    checks = {f"{one.name}-id": one.inputs for one in graph.of_type(CHECK)}
    both = checks[record["healthCheckId"]]
    assert (both["type"], both["childHealthThreshold"], len(both["childHealthchecks"])) == ("CALCULATED", 1, 2)
    assert [checks[child]["ipAddress"] for child in both["childHealthchecks"]] == record["records"]


def test_what_a_cloud_does_not_have_has_no_record() -> None:
    lacking = {"ipv6": WHY, "balancer-ipv6": WHY}
    place = {"name": "mad", "provider": "ibm", "region": "eu-es", "waivers": lacking}
    zone = zone_plan(setting("edge.places.0", place))
    assert zone.edge is not None
    assert Feature.IPV6 in zone.edge.places[-1].waived or Feature.IPV6 in zone.edge.places[0].waived
    assert hd.plan_route53(SPEC, zone).ipv4_only == {"mad"}
    names = records(recorded(zone))
    assert "users-mad-a" in names
    assert "users-mad-aaaa" not in names


def test_a_promise_that_cannot_be_kept_is_refused_with_all_its_parts() -> None:
    spec = hd.Route53Spec(name="acme.test", ttl_seconds=60, interval_seconds=30, failures=3, rto_seconds=100)
    with pytest.raises(RefusedError) as refused:
        hd.plan_route53(spec, zone_plan())
    (only,) = refused.value.refusals
    assert (only.rule, only.path) == ("dns.rto", "rto_seconds")
    assert "156 s: up to 96 s until checks notice it and 60 s in resolvers" in only.message
    assert hd.plan_route53(spec.model_copy(update={"rto_seconds": 156}), zone_plan()).failures == 3


def test_a_zone_without_an_edge_is_refused() -> None:
    with pytest.raises(RefusedError) as refused:
        hd.plan_route53(SPEC, zone_plan(lambda data: data.pop("edge")))
    assert [one.rule for one in refused.value.refusals] == ["dns.edge"]


def test_every_region_has_one_of_aws_within_reach() -> None:
    tables = load_catalogue()
    for (provider, name), region in tables.regions.items():
        if provider is Provider.LOCAL:
            continue
        nearest = tables.regions[Provider.AWS, nearest_aws(region, tables)]
        assert provider is not Provider.AWS or nearest.name == name
        assert kilometres(region, nearest) < 3_000, f"{provider} {name} is led by {nearest.city}"


def test_kilometres_are_those_of_the_globe() -> None:
    tables = load_catalogue()
    frankfurt, dublin = (tables.regions[Provider.AWS, name] for name in ("eu-central-1", "eu-west-1"))
    assert 1_050 < kilometres(frankfurt, dublin) < 1_130  # 1,086 km between the cities
    assert kilometres(frankfurt, frankfurt) == 0


def test_with_stock_mocks(run: Run) -> None:  # noqa: F811
    """Without a hosted zone's cloud around: an edge on this computer, records at Route 53."""
    from tests.graph.specs import plan_of  # noqa: PLC0415  the local Zone, of this test alone

    zone = plan_of()

    def declared() -> None:
        made = hd.declare(zone, clock)
        assert made.edge is not None
        plan = hd.plan_route53(SPEC, zone)
        aws = pulumi_aws.Provider("route53-provider", region="us-east-1")
        hd.Route53Edge("users", hd.Route53EdgeArgs(plan, made.edge, pulumi.Output.from_input("Z1"), aws))

    assert {"users", "users-east-a", "users-east-aaaa-health-1"} <= run(declared)
