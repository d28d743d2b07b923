"""What is held of Clusters and volumes: what may still change, what old lock files say, and ways out that work."""

from typing import Any

import pytest

from hdinfra.model.held import Held
from hdinfra.model.held_file import dump_held, parse_held
from hdinfra.model.plan import ZonePlan
from hdinfra.model.planner import plan_zone
from hdinfra.model.spec import ZoneSpec
from hdinfra.model.typed import validated
from tests.model.cloud_specs import europe
from tests.model.legal import Change, setting
from tests.model.refused import refusals
from tests.model.refused_kept import VOLUMES, running


def planned(*changes: Change, held: Held) -> ZonePlan:
    return plan_zone(validated(ZoneSpec, europe(VOLUMES, *changes)), held)


def renamed(data: dict[str, Any]) -> None:
    """`aws` goes and `paris` comes."""
    data["clusters"][0] |= {"name": "paris", "region": "eu-west-3"}


def elsewhere(data: dict[str, Any]) -> None:
    """A place of the edge goes and another comes."""
    data["edge"]["places"][0] |= {"name": "paris-edge", "region": "eu-west-3"}


@pytest.mark.parametrize(
    "change",
    [
        renamed,
        setting("clusters.0.zones", ["eu-central-1a", "eu-central-1b"]),
        setting("instances.0.volume_gib", 40),
        elsewhere,
        setting("network", {"ipv6": "fd12:3456:789a::/48"}),
    ],
    ids=[
        "another name",
        "the same zones said",
        "larger volumes",
        "an edge elsewhere, of another name",
        "IPv6 that no cloud takes",
    ],
)
def test_what_takes_nothing_from_a_machine_stays_possible(change: Change) -> None:
    assert planned(change, held=running(VOLUMES)).clusters


def test_a_removed_cluster_is_forgotten() -> None:
    held = running(VOLUMES)
    assert planned(renamed, held=held).held.clusters.keys() == {"do", "hz", "paris"}


def test_an_old_lock_file_loads_and_holds_from_the_next_run_on() -> None:
    new = running(VOLUMES)
    old = new.model_copy(update={"clusters": {}, "places": {}, "zone": None})
    assert not [line for line in dump_held(old).splitlines() if line.startswith(("clusters", "places", "zone"))]
    loaded = parse_held(dump_held(old))
    assert loaded == old
    elsewhere = planned(setting("clusters.0.region", "eu-west-3"), held=loaded)
    assert elsewhere.held.serial == loaded.serial + 1
    assert elsewhere.held.clusters["aws"].region == "eu-west-3"


def test_a_lock_file_says_where_clusters_stand() -> None:
    held = running(VOLUMES)
    assert parse_held(dump_held(held)) == held
    aws = held.clusters["aws"]
    assert (aws.zones, aws.account) == (("eu-central-1a", "eu-central-1b"), None)
    assert held.clusters["hz"].zones == ()
    assert "account" not in dump_held(held)


def test_a_pool_that_moves_is_refused_for_each_cluster_and_the_fix_keeps_all() -> None:
    moved = setting("network", {"ipv4": "10.128.0.0/12"})
    held = running(VOLUMES)
    found = refusals(lambda: planned(moved, held=held))
    paths = [(each.rule, each.path) for each in found]
    assert paths == [("cluster.network-kept", f"clusters[{n}].ipv4") for n in range(3)]
    fixes: list[Change] = [
        setting(f"clusters.{n}.ipv4", each.fix.partition("ipv4: ")[2].partition("`")[0]) for n, each in enumerate(found)
    ]
    before, after = planned(held=held), planned(moved, *fixes, held=held)
    assert [cluster.prefixes.ipv4 for cluster in before.clusters] == [c.prefixes.ipv4 for c in after.clusters]


def test_an_empty_cluster_may_move() -> None:
    alone = setting("instances.0", {"name": "web", "volume_gib": 20, "clusters": ["do", "hz"]})
    control = setting("control", {"clusters": ["do", "hz"]})
    held = running(VOLUMES, alone, control)
    assert held.clusters.keys() == {"do", "hz"}
    there = planned(alone, control, setting("clusters.0.region", "eu-west-3"), held=held)
    assert {cluster.name: cluster.region for cluster in there.clusters}["aws"] == "eu-west-3"


def test_ipv6_is_kept_where_a_provider_takes_the_plans_and_the_fix_is_one_that_it_takes() -> None:
    azure = setting("clusters.1", {"name": "az", "provider": "azure", "region": "westeurope"})
    moved = setting("network", {"ipv6": "fd12:3456:789a::/48"})
    held = running(VOLUMES, azure)
    (found,) = refusals(lambda: planned(azure, moved, held=held))
    assert (found.rule, found.path) == ("cluster.network-kept", "clusters[1].ipv6")
    assert found.fix.startswith("leave `network.ipv6` as it was")
