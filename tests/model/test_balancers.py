"""What a plan says of Machines behind a provider's load balancer, and what that costs."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from hdinfra.model.costs import HOURS_PER_MONTH, monthly_prices
from hdinfra.model.held import Held
from hdinfra.model.plan import BalancerPlan, MachinePlan, ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.refusal import RefusedError
from hdinfra.model.regions import BalancerTraits, Catalogue, load_catalogue
from hdinfra.model.spec import Feature, Provider, ZoneSpec
from hdinfra.model.typed import validated
from tests.model.cloud_specs import WHY, europe
from tests.model.legal import setting

DUB = "edge.places.0"
BALANCED = setting(f"{DUB}.load_balancer", True)
SHIPPED = load_catalogue()


def plan_of(*changes: Any, held: Held | None = None, catalogue: Catalogue = SHIPPED) -> ZonePlan:
    return plan_zone(validated(ZoneSpec, europe(*changes)), held or Held(), catalogue)


def at(plan: ZonePlan, place: str = "dub") -> list[MachinePlan]:
    """The edge machines of a place."""
    return [machine for machine in plan.machines if machine.place == place]


def with_traits(traits: BalancerTraits) -> Catalogue:
    """As if that were AWS's."""
    limits = {**SHIPPED.providers, Provider.AWS: replace(SHIPPED.providers[Provider.AWS], balancer=traits)}
    return replace(SHIPPED, providers=limits)


def test_the_first_machine_of_a_place_is_called_as_if_it_were_alone() -> None:
    alone = plan_of()
    three = plan_of(BALANCED, setting(f"{DUB}.machines", 3), held=alone.held)
    assert [machine.name for machine in at(alone)] == ["dub-edge"]
    assert [machine.name for machine in at(three)] == ["dub-edge", "dub-edge-2", "dub-edge-3"]
    assert replace(at(three)[0], balancer=None) == at(alone)[0]
    assert {machine.zone for machine in at(three)} == {"eu-west-1a", "eu-west-1b"}


def test_other_places_and_clusters_do_not_see_it() -> None:
    alone = plan_of()
    two = plan_of(BALANCED, setting(f"{DUB}.machines", 2), held=alone.held)
    assert [m for m in two.machines if m.place != "dub"] == [m for m in alone.machines if m.place != "dub"]


def test_without_a_balancer_there_is_nothing_before_a_machine() -> None:
    assert {machine.balancer for machine in plan_of().machines} == {None}


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (BalancerTraits("kept", 1.0), BalancerPlan()),
        (BalancerTraits("header", 1.0, health_header=True), BalancerPlan((), header=True, health_port=80)),
        (BalancerTraits("header", 1.0), BalancerPlan((), header=True, health_port=8080)),
        (
            BalancerTraits("header", 1.0, networks=(ip_network("192.168.255.0/24"),)),
            BalancerPlan((ip_network("192.168.255.0/24"),), header=True, health_port=8080),
        ),
    ],
)
def test_it_is_as_the_providers_table_says(traits: BalancerTraits, expected: BalancerPlan) -> None:
    plan = plan_of(BALANCED, catalogue=with_traits(traits))
    (machine,) = at(plan)
    assert plan.edge is not None and machine.balancer is not None
    place = plan.edge.place("dub")
    assert place is not None
    own = () if expected.networks or not expected.header else (place.prefixes.ipv4,)
    assert machine.balancer == replace(expected, networks=expected.networks or own)


@pytest.mark.parametrize("machines", [1, 3])
def test_a_month_of_it_is_paid_once_a_place(machines: int) -> None:
    without, prices = monthly_prices(plan_of()), monthly_prices(plan_of(BALANCED, setting(f"{DUB}.machines", machines)))
    region, traits = SHIPPED.regions[Provider.AWS, "eu-west-1"], SHIPPED.providers[Provider.AWS].balancer
    assert traits is not None and traits.price_per_hour > 0
    balancer = traits.price_per_hour * region.price_factor * HOURS_PER_MONTH
    assert prices["dub"] == pytest.approx(machines * without["dub"] + balancer, abs=0.03)
    assert {place: price for place, price in prices.items() if place != "dub"} == {
        place: price for place, price in without.items() if place != "dub"
    }


def test_machines_that_could_share_a_server_need_a_reason() -> None:
    lon = {"name": "lon", "provider": "digitalocean", "region": "lon1", "machines": 2, "load_balancer": True}
    changes = setting("edge.places.1", {**lon, "waivers": {"disk-encryption": WHY}})
    with pytest.raises(RefusedError) as refused:
        plan_of(changes)
    assert [(each.rule, each.path) for each in refused.value.refusals] == [("cloud.no-spread", "edge.places[1]")]
    waived = {"disk-encryption": WHY, "spread": WHY}
    assert len(at(plan_of(setting("edge.places.1", {**lon, "waivers": waived})), "lon")) == 2


def test_one_family_alone_is_a_waivers_matter() -> None:
    aws = SHIPPED.providers[Provider.AWS]
    poorer = replace(aws, lacks={**aws.lacks, Feature.BALANCER_IPV6: "it has none"})
    catalogue = replace(SHIPPED, providers={**SHIPPED.providers, Provider.AWS: poorer})
    with pytest.raises(RefusedError, match=r"cloud\.no-balancer-ipv6"):
        plan_of(BALANCED, catalogue=catalogue)
    assert at(plan_of(BALANCED, setting(f"{DUB}.waivers", {"balancer-ipv6": WHY}), catalogue=catalogue))
