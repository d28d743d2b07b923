"""The shipped tables hold what the planner counts on."""

import dataclasses
import re

import pytest

from hdinfra.model.regions import Catalogue, Region, load_catalogue
from hdinfra.model.sizing import Need, largest, smallest
from hdinfra.model.spec import Provider


def with_regions(*regions: Region) -> Catalogue:
    return dataclasses.replace(load_catalogue(), regions={(region.provider, region.name): region for region in regions})


def test_the_local_cloud_has_eight_regions_of_eight_operators() -> None:
    regions = [region for region in load_catalogue().regions.values() if region.provider is Provider.LOCAL]
    assert {region.name for region in regions} == {
        f"lab-{where}" for where in ("north", "south", "east", "west", "centre", "coast", "hill", "isle")
    }
    assert len({region.operator for region in regions}) == 8


def test_areas_are_countries_with_a_source() -> None:
    for area in load_catalogue().areas.values():
        assert area.source
        assert all(re.fullmatch("[A-Z]{2}", country) for country in area.countries)
    assert [area.name for area in load_catalogue().areas.values() if not area.countries] == ["world"]


def test_every_country_is_in_an_area_besides_the_world() -> None:
    catalogue = load_catalogue()
    named = {country for area in catalogue.areas.values() for country in area.countries}
    assert {region.country for region in catalogue.regions.values()} <= named


@pytest.mark.parametrize(
    ("area", "provider", "region", "inside"),
    [
        ("india", "digitalocean", "blr1", True),
        ("india", "aws", "ap-southeast-1", False),
        ("europe", "aws", "eu-central-2", True),
        ("europe", "azure", "norwaywest", True),
        ("europe", "digitalocean", "nyc1", False),
        ("germany", "hetzner", "fsn1", True),
        ("germany", "aws", "eu-central-2", False),  # Zurich lies no further south than Germany does
        ("germany", "gcp", "europe-west4", False),  # Eemshaven sees it over the Ems
        ("united-kingdom", "azure", "ukwest", True),
        ("united-kingdom", "aws", "eu-west-1", False),
        ("united-states", "hetzner", "hil", True),
        ("united-states", "digitalocean", "tor1", False),
        ("united-states", "gcp", "northamerica-northeast1", False),
        ("north-america", "digitalocean", "tor1", True),
        ("north-america", "aws", "mx-central-1", True),
        ("south-east-asia", "hetzner", "sin", True),
        ("south-east-asia", "gcp", "asia-east2", False),
        ("east-asia", "azure", "centralindia", False),
        ("middle-east", "aws", "il-central-1", True),
        ("africa", "aws", "il-central-1", False),
        ("lab", "local", "lab-north", True),
        ("lab", "aws", "eu-central-1", False),
        ("world", "azure", "chilecentral", True),
    ],
)
def test_areas_hold_regions(area: str, provider: str, region: str, inside: bool) -> None:
    catalogue = load_catalogue()
    assert catalogue.areas[area].contains(catalogue.regions[Provider(provider), region]) is inside


def test_all_providers_mean_the_same_by_a_city() -> None:
    """Its country, and its place but for what azure.toml says of two."""
    spelled = {"São Paulo": "Sao Paulo", "Querétaro": "Queretaro"}
    elsewhere = {"francecentral", "germanynorth"}
    cities: dict[str, list[Region]] = {}
    for region in load_catalogue().regions.values():
        cities.setdefault(spelled.get(region.city, region.city), []).append(region)
    for city, regions in cities.items():
        known = [region for region in regions if region.name not in elsewhere]
        assert len({region.country for region in regions}) == 1, city
        for degrees in ([one.latitude for one in known], [one.longitude for one in known]):
            assert max(degrees) - min(degrees) < 1.5, city


def test_user_data_that_boots_here_boots_anywhere() -> None:
    assert load_catalogue().providers[Provider.LOCAL].user_data_bytes == 16_384


@pytest.mark.parametrize("slots", [(1, 1), (0, 1), (1, 481), (1, 256)])
def test_a_slot_is_given_once_and_has_its_place(slots: tuple[int, int]) -> None:
    regions = [Region(Provider.LOCAL, f"r{i}", "o", "c", 0.0, 0.0, slot) for i, slot in enumerate(slots)]
    with pytest.raises(ValueError, match="slot"):
        with_regions(*regions)


def test_the_cheapest_size_that_fits() -> None:
    sizes = load_catalogue().sizes[Provider.LOCAL]
    found = smallest(sizes, Need(1, 257))
    assert found is not None
    assert found.name == "local-512m"
    assert smallest(sizes, Need(64, 128)) is None
    assert smallest(sizes, Need(1, 128), held=["local-2g"]) == next(size for size in sizes if size.name == "local-2g")
    assert largest(sizes) == "at most 8 vCPU and 8,192 MiB"
    assert largest(()) == "no machines at all"
