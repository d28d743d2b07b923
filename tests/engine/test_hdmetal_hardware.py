"""What is read of a server's hardware, from BMCs old and new, and what of it is called a failure."""

from collections.abc import Mapping
from typing import Any

import pytest

from hdinfra.plugins.metal.bmc import BmcError, SilentError
from hdinfra.plugins.metal.hardware import Hardware, Part, hardware, mac_addresses

Json = dict[str, Any]
OK = {"State": "Enabled", "Health": "OK"}
SYSTEM: Json = {
    "PowerState": "On",
    "Status": {"Health": "OK", "HealthRollup": "OK"},
    "Model": " R650 ",
    "SerialNumber": "CZ1",
    "Links": {"Chassis": [{"@odata.id": "/c"}]},
    "Storage": {"@odata.id": "/s"},
    "EthernetInterfaces": {"@odata.id": "/e"},
}
DISKS: Mapping[str, Json] = {
    "/s": {"Members": [{"@odata.id": "/s/1"}]},
    "/s/1": {"Drives": [{"@odata.id": "/d/0"}, {"@odata.id": "/d/1"}]},
    "/d/0": {"Name": "Bay 0", "SerialNumber": "S0", "CapacityBytes": 480 * 10**9, "Status": OK},
    "/d/1": {"Name": "Bay 1", "SerialNumber": "S1", "CapacityBytes": None, "Status": OK},
}
OLD: Mapping[str, Json] = {
    "/c": {"Power": {"@odata.id": "/c/power"}, "Thermal": {"@odata.id": "/c/thermal"}},
    "/c/power": {"PowerSupplies": [{"Name": "PS1", "LastPowerOutputWatts": 120.5, "Status": OK}]},
    "/c/thermal": {
        "Temperatures": [{"Name": "Inlet", "ReadingCelsius": 23, "Status": OK}],
        "Fans": [{"Name": "Fan 1", "Reading": 4000, "ReadingUnits": "RPM", "Status": OK}],
    },
}
NEW: Mapping[str, Json] = {
    "/c": {
        "PowerSubsystem": {"@odata.id": "/c/ps"},
        "ThermalSubsystem": {"@odata.id": "/c/ts"},
        "Sensors": {"@odata.id": "/c/sensors"},
    },
    "/c/ps": {"PowerSupplies": {"@odata.id": "/c/ps/all"}},
    "/c/ps/all": {"Members": [{"@odata.id": "/c/ps/0"}]},
    "/c/ps/0": {"Name": "PS1", "Status": OK},
    "/c/ts": {"Fans": {"@odata.id": "/c/fans"}},
    "/c/fans": {"Members": [{"@odata.id": "/c/fans/0"}]},
    "/c/fans/0": {"Name": "Fan 1", "SpeedPercent": {"Reading": 40}, "Status": OK},
    "/c/sensors": {"Members": [{"@odata.id": "/c/sensors/0"}]},
    "/c/sensors/0": {"Name": "Inlet", "Reading": 23, "ReadingUnits": "Cel", "Status": OK},
}


def read(*resources: Mapping[str, Json], system: Json = SYSTEM) -> Hardware:
    """Read of a BMC that has exactly these; it refuses all else."""
    every = {path: found for some in resources for path, found in some.items()}

    def get(path: str) -> Json:
        if path not in every:
            raise BmcError(f"no {path}")
        return every[path]

    return hardware(get, system)


@pytest.mark.parametrize("bmc", [OLD, NEW], ids=["old", "new"])
def test_reads_the_same_of_old_bmcs_and_new(bmc: Mapping[str, Json]) -> None:
    found = read(DISKS, bmc)
    assert (found.power, found.health, found.model, found.serial) == ("On", "OK", "R650", "CZ1")
    assert [part.name for part in found.supplies] == ["PS1"]
    assert {part.name for part in found.sensors} == {"Inlet", "Fan 1"}
    assert [(disk.serial, disk.mib) for disk in found.disks] == [("S0", 457763), ("S1", 0)]
    assert (found.failures, found.unread) == ((), ())


def test_readings_have_their_units() -> None:
    readings = [{part.name: part.reading for part in read(DISKS, bmc).sensors} for bmc in (OLD, NEW)]
    assert readings == [{"Inlet": "23 °C", "Fan 1": "4000 RPM"}, {"Inlet": "23 Cel", "Fan 1": "40 %"}]
    assert read(DISKS, OLD).supplies[0].reading == "120.5 W"


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (Part("disk", "Bay 1", "Critical", "Enabled", "S1"), "disk `Bay 1` (serial S1): Critical"),
        (Part("power supply", "PS2", "", "UnavailableOffline"), "power supply `PS2`: UnavailableOffline"),
        (Part("fan", "Fan 1", "Warning", "Degraded"), "fan `Fan 1`: Warning, Degraded"),
        (Part("disk", "Bay 0", "OK", "Enabled", foretold=True), "disk `Bay 0`: its failure is foretold"),
    ],
)
def test_names_what_is_not_well(part: Part, told: str) -> None:
    assert (part.well, part.told()) == (False, told)
    assert Hardware("On", "Critical", "", "", disks=(part,)).failures == (told,)


@pytest.mark.parametrize("part", [Part("disk", "Bay 2", "", "Absent"), Part("fan", "Fan 1"), Part("fan", "F", "OK")])
def test_empty_bays_and_silence_are_no_failures(part: Part) -> None:
    assert part.well


def test_a_server_that_is_unwell_as_a_whole_is_named_where_no_part_says_why() -> None:
    found = read(DISKS, OLD, system={**SYSTEM, "Status": {"Health": "OK", "HealthRollup": "Warning"}})
    assert found.failures == ("server: Warning, and no part says why",)


def test_what_is_refused_hides_nothing_else_and_is_named() -> None:
    without = {path: found for path, found in DISKS.items() if path != "/d/0"}
    found = read(without, OLD)
    assert ([disk.serial for disk in found.disks], found.unread) == (["S1"], ("/d/0",))


def test_a_bmc_that_says_next_to_nothing_is_read_all_the_same() -> None:
    assert read(system={}) == Hardware("", "", "", "")
    odd = {"Links": {"Chassis": {"@odata.id": "/c"}}, "Status": None, "Storage": [], "Model": None}
    assert read(system=odd) == Hardware("", "", "", "")


def test_silence_is_no_reading() -> None:
    def get(_path: str) -> Json:
        raise SilentError("nobody")

    with pytest.raises(SilentError):
        hardware(get, SYSTEM)


def test_every_address_of_a_port_counts() -> None:
    ports: Mapping[str, Json] = {
        "/e": {"Members": [{"@odata.id": "/e/1"}, {"@odata.id": "/e/2"}]},
        "/e/1": {"MACAddress": "52:54:00:AA:00:01", "PermanentMACAddress": "52:54:00:aa:00:09"},
        "/e/2": {"MACAddress": None},
    }
    assert mac_addresses(ports.__getitem__, SYSTEM) == {"52:54:00:aa:00:01", "52:54:00:aa:00:09"}
