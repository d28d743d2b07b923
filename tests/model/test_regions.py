"""The shipped tables hold what the planner counts on."""

import dataclasses

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


def test_areas_are_rectangles_with_a_source() -> None:
    for area in load_catalogue().areas.values():
        assert -90 <= area.south < area.north <= 90
        assert -180 <= area.west < area.east <= 180
        assert area.source


@pytest.mark.parametrize(
    ("area", "latitude", "longitude", "inside"),
    [
        ("india", 12.97, 77.59, True),
        ("india", 19.08, 72.88, True),
        ("india", 1.35, 103.82, False),
        ("europe", 50.11, 8.68, True),
        ("europe", 40.71, -74.01, False),
        ("germany", 50.48, 12.37, True),
        ("germany", 52.37, 4.90, False),
        ("north-america", 39.04, -77.49, True),
        ("united-states", 43.65, -79.38, True),
        ("south-east-asia", 1.35, 103.82, True),
        ("lab", 0.5, 0.0, True),
        ("lab", 50.11, 8.68, False),
    ],
)
def test_areas_hold_cities(area: str, latitude: float, longitude: float, inside: bool) -> None:
    region = Region(Provider.LOCAL, "x", "x", "x", latitude, longitude, 1)
    assert load_catalogue().areas[area].contains(region) is inside


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
