"""What an edge at Cloudflare decides before anything is declared."""

from ipaddress import ip_address, ip_network

import pytest

from hdinfra.model.failover.cloudflare_networks import cloudflare_networks
from hdinfra.model.failover.cloudflare_plan import edge_of, plan_cloudflare, plan_pair
from hdinfra.model.failover.cloudflare_spec import TunnelPlan
from hdinfra.model.failover.spec import Affinity, Steering
from hdinfra.model.refusal import RefusedError
from hdinfra.model.typed import validated
from tests.model import cloudflare_specs as specs
from tests.model.legal import Data, setting

UPLINK = {"name": "north", "interface": "eth0", "address": "192.0.2.2", "gateway": "192.0.2.1"}
MACHINE: Data = {
    "tunnel": "paris",
    "package": {"url": "https://pkg.example.com/cloudflared.deb", "sha256": "d" * 64},
    "uplinks": [UPLINK, {"name": "south", "interface": "eth1", "address": "2001:db8::2", "gateway": "2001:db8::1"}],
}


def test_a_pair_is_two_pools_in_order_with_a_fallback_and_back_by_hand() -> None:
    plan = plan_pair(specs.pair())
    assert [pool.name for pool in plan.failover.pools] == ["paris", "helsinki"]
    assert plan.pair == ("paris", "helsinki")
    assert plan.fallback == "paris"
    assert plan.failover.database
    assert plan.failover.fail_back == "by-hand"
    assert plan.failover.affinity is Affinity.NONE
    assert plan.failover.steering is Steering.ORDER


def test_a_pair_without_a_database_goes_back_by_itself() -> None:
    assert edge_of(specs.pair(setting("database", False))).failover.fail_back == "automatic"


@pytest.mark.parametrize("part", ["primary", "failover"])
def test_a_drained_part_of_a_pair_is_its_pool_alone(part: str) -> None:
    drained = {pool.name: pool.drained for pool in edge_of(specs.pair(setting("drained", part))).failover.pools}
    assert drained == {"paris": part == "primary", "helsinki": part == "failover"}


def test_a_pair_says_which_site_is_its_fallback() -> None:
    with pytest.raises(RefusedError, match="fallback"):
        specs.pair(lambda data: data.pop("fallback"))


def test_connectors_answer_for_the_service_and_the_direct_name() -> None:
    plan = plan_cloudflare(specs.edge())
    hosts = [[one.host for one in plan.ingress(tunnel)] for tunnel in plan.tunnels]
    assert hosts == [["shop.example.com", "paris.example.com"], ["shop.example.com"]]


def test_regions_have_pools_in_their_order() -> None:
    plan = plan_cloudflare(
        specs.edge(
            setting("failover.steering", "geo"),
            setting("failover.pools.0.regions", ["WEU", "EEU"]),
            setting("failover.pools.1.regions", ["EEU"]),
        )
    )
    assert plan.region_pools() == {"EEU": ("paris", "helsinki"), "WEU": ("paris",)}


def test_one_way_out_needs_a_reason() -> None:
    waived = setting("tunnels.0.waivers", {"uplinks": "the cloud's network has one way out"})
    assert plan_cloudflare(specs.edge(setting("tunnels.0.connectors.1.uplink", "north"), waived)).tunnels[0].waivers


def test_a_tunnel_is_held_by_machines_or_by_pods() -> None:
    with pytest.raises(RefusedError, match="either `connectors` or `kubernetes`"):
        specs.edge(setting("tunnels.0.kubernetes", specs.HELSINKI["kubernetes"]))


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("uplinks.1.interface", "eth0", "over one interface"),
        ("uplinks.1.name", "north", "name of its own"),
        ("uplinks.0.gateway", "2001:db8::1", "one family"),
        ("package.sha256", "latest", "pattern"),
        ("package.url", "http://pkg.example.com/cloudflared.deb", "pattern"),
    ],
)
def test_a_machine_s_part_is_whole(path: str, value: object, words: str) -> None:
    data = {**MACHINE, "uplinks": [dict(one) for one in MACHINE["uplinks"]], "package": dict(MACHINE["package"])}
    assert validated(TunnelPlan, data).tunnel == "paris"
    setting(path, value)(data)
    with pytest.raises(RefusedError, match=words):
        validated(TunnelPlan, data)


def test_published_networks_are_whole() -> None:
    networks = cloudflare_networks()
    assert {network.version for network in networks.visitors} == {address.version for address in networks.tunnels}
    assert len(networks.visitors) == 22
    assert len(set(networks.tunnels)) == 40
    assert networks.port == 7844
    assert all(network.is_global for network in networks.visitors)
    regions = [
        ip_network(text) for text in ("198.41.192.0/24", "198.41.200.0/24", "2606:4700:a0::/48", "2606:4700:a8::/48")
    ]
    for region in regions:
        assert sum(address in region for address in networks.tunnels) == 10
    assert ip_address("198.41.192.7") in networks.tunnels
