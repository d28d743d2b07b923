"""What the clouds' tables must hold, read as plain TOML: they are data, and nobody types them twice."""

import re
import tomllib
from datetime import date
from ipaddress import ip_network
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, get_args

import pytest

from hdinfra.model.regions import Encoding
from hdinfra.model.spec import Feature

MODEL = Path(__file__).parents[2] / "hdinfra" / "model"
SLOTS = {
    "aws": range(300, 346),
    "azure": range(230, 300),
    "digitalocean": range(350, 370),
    "gcp": range(380, 428),
    "hetzner": range(370, 380),
    "ibm": range(468, 481),
    "linode": range(428, 468),
}
FEATURES = set(Feature)
FAMILY = {
    "aws": r"(\w+)\.",
    "azure": r"Standard_([A-Z])\d+([a-z]+)_v(\d)$",
    "digitalocean": r"(\w+?)-",
    "gcp": r"([\w-]+?)(?:-\d+)?$",
    "hetzner": r"([a-z]+)\d(\d)$",
    "ibm": r"(\w+)-",
    "linode": r"g6-(\w+)-",
}
"""What of a size's name is its family; at Hetzner the last digit is the generation."""

WITHOUT_ZONES = {"azure": 18}
"""How many regions of a cloud that has availability zones have none."""

each_cloud = pytest.mark.parametrize("cloud", SLOTS)


def table(name: str) -> dict[str, Any]:
    return tomllib.loads((MODEL / name).read_text(encoding="utf-8"))


def cloud_table(cloud: str) -> dict[str, Any]:
    return table(f"providers/{cloud}.toml")


def regions(cloud: str) -> list[dict[str, Any]]:
    return list(cloud_table(cloud)["region"])


def sizes(cloud: str) -> list[dict[str, Any]]:
    return list(cloud_table(cloud)["size"])


def test_a_slot_is_given_once_over_all_clouds() -> None:
    slots = [
        row["slot"]
        for row in (*table("providers/local.toml")["region"], *(r for cloud in SLOTS for r in regions(cloud)))
    ]
    assert len(slots) == len(set(slots))


@each_cloud
def test_slots_follow_the_table_in_the_clouds_own_range(cloud: str) -> None:
    slots = [row["slot"] for row in regions(cloud)]
    assert slots == sorted(slots)
    assert all(slot in SLOTS[cloud] for slot in slots)


@each_cloud
def test_names_are_given_once(cloud: str) -> None:
    for rows in (regions(cloud), sizes(cloud)):
        names = [row["name"] for row in rows]
        assert names and len(names) == len(set(names))


@each_cloud
def test_regions_are_places_of_one_operator(cloud: str) -> None:
    for row in regions(cloud):
        assert row["operator"] == cloud
        assert -90 <= row["latitude"] <= 90 and -180 <= row["longitude"] <= 180, row["name"]
        assert re.fullmatch("[A-Z]{2}", row["country"]) and row["city"], row["name"]
        assert row["price_factor"] > 0, row["name"]


def test_every_aws_region_has_two_zones_of_its_own() -> None:
    zones = [(row["name"], zone) for row in regions("aws") for zone in row["zones"]]
    assert all(re.fullmatch(f"{region}[a-z]", zone) for region, zone in zones)
    assert len(zones) == len({zone for _, zone in zones})
    assert all(len(row["zones"]) >= 2 for row in regions("aws"))


@each_cloud
def test_zones_are_missing_only_where_the_table_says_so(cloud: str) -> None:
    lacking = "availability-zones" in cloud_table(cloud)["lacks"]
    without = [row["name"] for row in regions(cloud) if not row["zones"]]
    assert len(without) == (len(regions(cloud)) if lacking else WITHOUT_ZONES.get(cloud, 0))
    assert all(len(row["zones"]) != 1 for row in regions(cloud))


@each_cloud
def test_sizes_are_machines_that_regions_of_this_table_sell(cloud: str) -> None:
    known = {row["name"] for row in regions(cloud)}
    for row in sizes(cloud):
        assert row["arch"] in {"amd64", "arm64"}, row["name"]
        assert row["vcpu"] >= 1 and row["memory_mib"] >= 512 and row["price_per_hour"] > 0, row["name"]
        sold = row.get("regions", [])
        assert len(sold) == len(set(sold)) and known.issuperset(sold), row["name"]


@each_cloud
def test_every_region_sells_something(cloud: str) -> None:
    for region in regions(cloud):
        assert any(region["name"] in row.get("regions", [region["name"]]) for row in sizes(cloud)), region["name"]


@each_cloud
def test_more_of_a_family_costs_more(cloud: str) -> None:
    def family(row: dict[str, Any]) -> tuple[str, ...]:
        named = re.match(FAMILY[cloud], row["name"])
        assert named, row["name"]
        return (*named.groups(), row["arch"])

    ladder = sorted(sizes(cloud), key=lambda row: (family(row), row["memory_mib"], row["vcpu"]))
    rungs = [pair for _, rows in groupby(ladder, family) for pair in pairwise(rows)]
    assert len(rungs) >= len(ladder) / 2
    for less, more in rungs:
        assert less["price_per_hour"] < more["price_per_hour"], f"{less['name']}, {more['name']}"


@each_cloud
def test_limits_say_how_user_data_travels(cloud: str) -> None:
    limits = cloud_table(cloud)["limits"]
    assert limits["user_data_encoding"] in get_args(Encoding)
    assert {"user_data_bytes", "machines_per_cluster", "firewall_sources"} == limits.keys() - {
        "user_data_encoding",
        "planned_ipv6",
        "snapshots_kept",
    }
    numbers = [limits.pop(name) for name in ("user_data_bytes", "machines_per_cluster", "firewall_sources")]
    numbers += limits.get("snapshots_kept", {}).values()
    assert all(isinstance(number, int) and number > 0 for number in numbers)


@each_cloud
def test_what_a_cloud_lacks_is_one_sentence_on_a_known_feature(cloud: str) -> None:
    lacks = cloud_table(cloud)["lacks"]
    assert lacks.keys() <= FEATURES
    assert all(re.fullmatch(r"[A-Z].{20,}[^.]", sentence) for sentence in lacks.values())


@each_cloud
def test_a_cloud_has_a_load_balancer_or_says_that_it_lacks_one(cloud: str) -> None:
    facts = cloud_table(cloud)
    assert ("balancer" in facts) is not ("load-balancers" in facts["lacks"])
    traits = facts.get("balancer", {"client_address": "kept", "price_per_hour": 0.1})
    assert traits.keys() <= {"client_address", "health_header", "networks", "price_per_hour"}
    assert traits["client_address"] in ("header", "kept") and 0 < traits["price_per_hour"] < 1
    assert traits["client_address"] == "header" or traits.keys() == {"client_address", "price_per_hour"}
    assert all(ip_network(network) for network in traits.get("networks", ["0.0.0.0/0"]))


@each_cloud
def test_figures_have_a_source_and_a_day(cloud: str) -> None:
    facts = cloud_table(cloud)
    assert facts["source"] and all(re.match(r"https://[\w.-]+/", source) for source in facts["source"])
    assert isinstance(facts["checked"], date)
    assert re.fullmatch("[A-Z]{3}", facts["currency"]) and facts["euro"] > 0
