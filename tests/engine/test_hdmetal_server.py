"""Servers of one's own over the plugin's real gRPC frame: installed, adopted, installed anew, watched, left, wiped."""

import base64
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.engine_log import EngineLog
from hdinfra.plugins.metal.package import Servers
from hdinfra.plugins.values import UNKNOWN
from tests.engine.metal_rig import (
    BOOTS,
    CD,
    DISKS,
    KIND,
    NAME,
    ORDER,
    OTHER,
    PACE,
    PROFILE,
    Installed,
    Rig,
    created,
    refused,
)
from tests.engine.redfish_bmc import StandInServer, emulated
from tests.local.hdlocal_fixtures import Driver, Fault, driven


@pytest.fixture
def remarks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stays to be read in a run's output."""
    said: list[str] = []
    monkeypatch.setattr(EngineLog, "remark", lambda _self, _urn, message: said.append(message))
    return said


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_installs_from_an_image_with_the_servers_order_and_leaves_nothing_inserted(
    plugin: Driver, rig: Rig, scheme: str
) -> None:
    state = created(plugin, rig, media={"serve": {"address": "127.0.0.1", "scheme": scheme}})
    assert (rig.installations, rig.bmc.server.boots, rig.bmc.server.mode) == (1, ["Cd"], "UEFI")
    assert (state["installed"], state["power"], state["health"], state["failures"]) == (PROFILE, "On", "OK", [])
    assert rig.tidy()


def test_a_bmc_is_told_whom_to_fetch_the_image_from(plugin: Driver, rig: Rig) -> None:
    created(plugin, rig)
    verified = [body for method, _, body in rig.bmc.overlay.asked if method == "PATCH" and "VerifyCertificate" in body]
    assert verified == [{"VerifyCertificate": True}]
    sent = [body for method, path, body in rig.bmc.overlay.asked if method == "POST" and path.endswith("InsertMedia")]
    assert sent[0]["Image"].startswith("https://127.0.0.1:") and len(sent[0]["Image"].split("/")[3]) == 32


def test_installs_from_a_folder_that_others_publish_and_takes_the_copy_away(
    plugin: Driver, rig: Rig, tmp_path: Path
) -> None:
    shop = tmp_path / "published"
    shop.mkdir()
    (shop / f"{NAME}-{'x' * 32}.iso").write_text("left by a run that was killed")
    (shop / f"{NAME}-notes.iso").write_text("somebody's")
    seen: list[list[str]] = []
    rig.bmc.answer("POST", rf"{CD}/Actions/VirtualMedia.InsertMedia", 204, {})
    rig.installs()
    installs = rig.bmc.server.booted

    def booted(source: str, _image: Path | None) -> None:
        copies = sorted(file.name for file in shop.iterdir())
        seen.append(copies)
        installs(source, shop / next(name for name in copies if len(name) == len(NAME) + 37))

    rig.bmc.server.booted = booted
    plugin.create(KIND, NAME, rig.inputs(media={"folder": str(shop), "url": "https://media.test/iso/"}))
    sent = next(body for method, path, body in rig.bmc.overlay.asked if path.endswith("InsertMedia"))
    assert sent["Image"] in {f"https://media.test/iso/{name}" for name in seen[0]}
    assert [len(copies) for copies in seen] == [2]
    assert [file.name for file in shop.iterdir()] == [f"{NAME}-notes.iso"]


def test_boots_from_the_network_where_that_is_asked_for(plugin: Driver, rig: Rig) -> None:
    rig.installs(source="Pxe")
    left_out = dict.fromkeys(("image", "order", "media"))
    _, state, _ = plugin.create(KIND, NAME, rig.inputs(boot="pxe", **left_out))
    assert (rig.bmc.server.boots, state["installed"], rig.tidy()) == (["Pxe"], PROFILE, True)


def test_what_reports_the_profile_already_is_adopted(plugin: Driver, rig: Rig) -> None:
    rig.reports()
    _, state, _ = plugin.create(KIND, NAME, rig.inputs())
    assert (state["installed"], rig.bmc.server.boots) == (PROFILE, [])


def test_a_create_that_was_stopped_is_tidy_and_the_next_one_adopts_what_it_finished(plugin: Driver, rig: Rig) -> None:
    late: list[threading.Thread] = []

    def told_to_stop(_source: str, _image: Path | None) -> None:
        late.append(threading.Thread(target=plugin.cancel))
        late[0].start()

    rig.bmc.server.booted = told_to_stop
    assert "cancelled" in refused(plugin, rig.inputs())
    late[0].join()
    assert (rig.tidy(), rig.bmc.server.power) == (True, "On")
    rig.reports()  # the installer had all that it needed
    with driven(Servers(PACE)) as again:
        again.configure()
        _, state, _ = again.create(KIND, NAME, rig.inputs())
    assert (state["installed"], rig.bmc.server.boots) == (PROFILE, ["Cd"])


@pytest.mark.parametrize("left_on", [{}, {"reinstall": "1"}, {"reinstall": "1", "overwrite": DISKS}])
def test_what_runs_as_something_else_is_not_installed_over_when_the_state_is_lost(
    plugin: Driver, rig: Rig, left_on: dict[str, Any]
) -> None:
    rig.reports(OTHER)
    said = refused(plugin, rig.inputs(**left_on))
    assert OTHER[:12] in said and "It was not touched" in said and "overwrite=['S1', 'S2']" in said
    assert rig.bmc.server.boots == []


def test_what_reported_otherwise_long_ago_is_installed(plugin: Driver, rig: Rig) -> None:
    rig.reports(OTHER, seen_seconds=3600)
    assert created(plugin, rig)["installed"] == PROFILE


@pytest.mark.parametrize("reinstall", [None, "rack1-srv1"])
def test_a_first_installation_overwrites_nothing_but_what_is_named(
    plugin: Driver, rig: Rig, reinstall: str | None
) -> None:
    created(plugin, rig, reinstall=reinstall)
    assert (rig.installations, rig.overwritten) == (1, ())
    del rig.fleet.machines[NAME]
    created(plugin, rig, reinstall=reinstall, overwrite=["S2"])
    assert (rig.installations, rig.overwritten) == (2, ("S2",))


def test_the_first_text_is_noted_and_installs_nothing(plugin: Driver, rig: Rig, remarks: list[str]) -> None:
    state, with_text = created(plugin, rig), rig.inputs(reinstall="rack1-srv1")
    plugin.diff(KIND, state, rig.inputs(), with_text)
    assert any("is noted and installs nothing" in said for said in remarks)
    noted = plugin.update(KIND, NAME, NAME, state, with_text)
    assert (rig.installations, rig.bmc.server.boots, noted["reinstalled"]) == (1, ["Cd"], "rack1-srv1")
    plugin.update(KIND, NAME, NAME, noted, rig.inputs(reinstall="rack1-srv2"))
    assert (rig.installations, rig.overwritten) == (2, ("S1", "S2"))


def test_a_new_disk_is_not_overwritten_by_an_installation_anew(plugin: Driver, rig: Rig) -> None:
    state = {**created(plugin, rig, reinstall="1"), "ownDisks": ["S1", "S9"]}
    state = plugin.update(KIND, NAME, NAME, state, rig.inputs(reinstall="2"))
    assert (rig.installations, rig.overwritten, state["ownDisks"]) == (2, ("S1",), ["S1", "S2"])


def test_what_is_left_on_is_named(plugin: Driver, rig: Rig, remarks: list[str]) -> None:
    state, left = created(plugin, rig), rig.inputs(overwrite=["S1"], profile=OTHER)
    plugin.diff(KIND, state, rig.inputs(), left)
    assert any("take `overwrite` away" in said for said in remarks)


def test_an_old_report_of_the_same_profile_is_not_taken_for_the_new_machines(
    plugin: Driver, hurried: Driver, rig: Rig
) -> None:
    state = created(plugin, rig, reinstall="1")
    rig.bmc.server.booted = lambda _source, _image: rig.reports(seen_seconds=600)
    with pytest.raises(Fault, match="no report since"):
        hurried.update(KIND, NAME, NAME, state, rig.inputs(reinstall="2"))


def test_only_another_token_installs_anew(plugin: Driver, rig: Rig) -> None:
    state = created(plugin, rig, reinstall="1")
    new = rig.inputs(
        reinstall="1",
        profile=OTHER,
        order=base64.b64encode(replace(ORDER, laid={}).packed()).decode(),
        waitSeconds=90,
    )
    assert plugin.diff(KIND, state, rig.inputs(reinstall="1"), new) == (set(), set(), False)
    plugin.update(KIND, NAME, NAME, state, {**new, "expect": {}})
    assert rig.installations == 1
    without = rig.inputs()
    assert plugin.diff(KIND, state, rig.inputs(reinstall="1"), without) == ({"reinstall"}, set(), False)
    plugin.update(KIND, NAME, NAME, state, without)
    assert rig.installations == 1
    again = rig.inputs(reinstall="2")
    assert plugin.diff(KIND, state, rig.inputs(reinstall="1"), again) == ({"reinstall"}, set(), False)
    state = plugin.update(KIND, NAME, NAME, state, again)
    assert (rig.installations, state["reinstalled"], rig.tidy()) == (2, "2", True)


def test_installing_anew_takes_disks_that_were_noted_or_are_named(plugin: Driver, rig: Rig) -> None:
    state = created(plugin, rig, reinstall="1")
    del state["ownDisks"]  # as an earlier release has left it
    for named in ({}, {"overwrite": ["S1"]}):
        with pytest.raises(Fault, match=r"(?s)not noted which disks.*overwrite=\['S1', 'S2'\]"):
            plugin.update(KIND, NAME, NAME, state, rig.inputs(reinstall="2", **named))
    assert (rig.installations, rig.bmc.server.power) == (1, "On")
    plugin.update(KIND, NAME, NAME, state, rig.inputs(reinstall="2", overwrite=DISKS))
    assert (rig.installations, rig.overwritten) == (2, ("S1", "S2"))


def test_a_reinstallation_that_ended_without_us_is_adopted(plugin: Driver, rig: Rig) -> None:
    state = created(plugin, rig, reinstall="1")
    rig.fleet.machines[NAME].key = "f" * 16  # only a first boot makes a key
    state = plugin.update(KIND, NAME, NAME, state, rig.inputs(reinstall="2"))
    assert (rig.installations, state["key"], state["reinstalled"]) == (1, "f" * 16, "2")


def test_another_name_is_another_server_and_all_else_is_changed_in_place(plugin: Driver, rig: Rig) -> None:
    state, old = created(plugin, rig), rig.inputs()
    assert plugin.diff(KIND, state, old, {**old, "server": "srv-a2"}) == (set(), {"server"}, False)
    changed = {**old, "bmc": rig.bmc.access(username="root"), "onDelete": "power-off", "expect": {"serial": "X1"}}
    assert plugin.diff(KIND, state, old, changed) == ({"bmc", "onDelete", "expect"}, set(), False)


def test_hardware_that_fails_is_named(plugin: Driver, rig: Rig) -> None:
    rig.bmc.supplies("OK", "OK")
    state = created(plugin, rig)
    assert [one["name"] for one in state["supplies"]] == ["PSU 1", "PSU 2"]
    assert [(one["name"], one["mib"]) for one in state["disks"]] == [("Drive disk0", 491520), ("Drive disk1", 491520)]
    assert {one["kind"] for one in state["sensors"]} == {"temperature", "fan"}
    assert plugin.read(KIND, NAME, NAME, state) == state
    rig.bmc.supplies("OK", "Critical")
    rig.bmc.disk("disk1", FailurePredicted=True, SerialNumber="S2")
    seen = plugin.read(KIND, NAME, NAME, state)
    assert seen is not None
    assert seen["failures"] == [
        "power supply `PSU 2` (serial P2): Critical",
        "disk `Drive disk1` (serial S2): its failure is foretold",
    ]


def test_a_silent_bmc_hides_no_server(plugin: Driver, rig: Rig) -> None:
    state = created(plugin, rig)
    gone = {**state, "bmc": rig.bmc.access(address="https://127.0.0.1:9")}
    assert plugin.read(KIND, NAME, NAME, gone) == gone


def test_what_a_bmc_does_not_show_is_named_as_unread(plugin: Driver, rig: Rig) -> None:
    rig.bmc.refuse("GET", rf"{BOOTS}/Storage", 500, "the controller is being reset")
    state = created(plugin, rig)
    assert (state["disks"], state["failures"]) == ([], [])
    assert [path.rpartition("/")[2] for path in state["unread"]] == ["Storage"]


def test_one_of_several_systems_is_chosen_by_name(plugin: Driver, tmp_path: Path, rig: Rig) -> None:
    other = StandInServer("srv-b1")
    with emulated([rig.bmc.server, other], tmp_path) as bmc:
        rig.bmc = bmc
        said = refused(plugin, rig.inputs())
        assert "has 2 systems" in said and f"`{other.uuid}`" in said and "system_id" in said
        created(plugin, rig, bmc=bmc.access(systemId=bmc.server.uuid))
    assert other.boots == []


def test_deleting_leaves_the_server_and_asks_nobody(plugin: Driver, rig: Rig) -> None:
    state = created(plugin, rig)
    plugin.delete(KIND, NAME, NAME, {**state, "bmc": rig.bmc.access(address="https://127.0.0.1:9")})
    assert rig.bmc.server.power == "On"


def test_deleting_powers_off_where_told(plugin: Driver, rig: Rig) -> None:
    state = created(plugin, rig, onDelete="power-off")
    plugin.delete(KIND, NAME, NAME, state)
    assert (rig.bmc.server.power, rig.bmc.server.boots) == ("Off", ["Cd"])


def test_deleting_wipes_only_when_told_twice_and_all_disks_can_be(plugin: Driver, rig: Rig) -> None:
    for wrong in ({}, {"confirmWipe": "srv-a2"}):
        failures = plugin.check(KIND, rig.inputs(onDelete="wipe", **wrong))
        assert [path for path, _ in failures] == ["confirmWipe"]
    state = created(plugin, rig, onDelete="wipe", confirmWipe=NAME)
    able = {"Actions": {"#Drive.SecureErase": {"target": "/redfish/v1/erase/0"}}}
    rig.bmc.disk("disk0", **able)
    with pytest.raises(Fault, match=r"cannot erase `Drive disk1.*Nothing was erased"):
        plugin.delete(KIND, NAME, NAME, state)
    assert rig.bmc.server.power == "On"
    rig.bmc.disk("disk0", **able, SerialNumber="S1")
    rig.bmc.disk("disk1", Actions={"#Drive.SecureErase": {"target": "/redfish/v1/erase/1"}})
    rig.bmc.answer("POST", r"/redfish/v1/erase/\d", 204, {})
    plugin.delete(KIND, NAME, NAME, state)
    erased = [path for method, path, _ in rig.bmc.overlay.asked if method == "POST" and "/erase/" in path]
    assert (erased, rig.bmc.server.power) == (["/redfish/v1/erase/0", "/redfish/v1/erase/1"], "Off")


def test_a_preview_touches_nothing_and_knows_what_it_can(plugin: Driver, rig: Rig) -> None:
    state, _ = plugin.preview(KIND, NAME, rig.inputs())
    assert (state["installed"], state["power"]) == (PROFILE, UNKNOWN)
    state, _ = plugin.preview(KIND, NAME, rig.inputs(order=UNKNOWN, bmc=UNKNOWN))
    assert rig.bmc.overlay.asked == []


def test_two_servers_are_installed_at_once_through_one_port(tmp_path: Path, rig: Rig) -> None:
    servers = [StandInServer(f"srv-{letter}") for letter in "xy"]
    with emulated(servers, tmp_path) as bmc, driven(Servers(PACE)) as driver:
        driver.configure()
        rig.bmc = bmc
        both = threading.Barrier(2)
        for server in servers:
            server.booted = lambda _source, _image, name=server.name: (both.wait(30), reported(rig, name))
        done: list[Any] = []
        threads = [
            threading.Thread(target=lambda one=one: done.append(driver.create(KIND, one.name, asked(rig, one))))
            for one in servers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert sorted(one[0] for one in done) == ["srv-x", "srv-y"]


def reported(rig: Rig, name: str) -> None:
    """As a machine that was just installed."""
    rig.fleet.machines[name] = Installed()


def asked(rig: Rig, server: StandInServer) -> dict[str, Any]:
    """The inputs of one of several."""
    access = rig.bmc.access(systemId=server.uuid)
    return rig.inputs(server=server.name, bmc=access, report={**rig.report(), "machine": server.name})
