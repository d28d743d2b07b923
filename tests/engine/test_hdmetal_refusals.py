"""Every way in which a BMC, a machine or an input lets us down: one clear line, the way out, nothing left behind."""

import base64
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import hdinfra.installer
from hdinfra.plugins.metal.package import Servers
from tests.engine.metal_rig import (
    BOOTS,
    CD,
    KIND,
    NAME,
    ORDER,
    PACE,
    PROFILE,
    Rig,
    created,
    image,
    refused,
)
from tests.local.hdlocal_fixtures import Driver, Fault, driven, eventually

INIT = (Path(hdinfra.installer.__file__).parent / "assets/init").read_text()


def test_of_a_server_that_never_reports_is_told_what_is_known(plugin: Driver, hurried: Driver, rig: Rig) -> None:
    progress = {"BootProgress": {"LastState": "SystemHardwareInitializationComplete"}}
    rig.bmc.amend(BOOTS, lambda told: {**told, **progress})
    said = refused(hurried, rig.inputs())
    for words in (PROFILE[:12], "power is on", "SystemHardwareInitializationComplete", "look at its console"):
        assert words in said
    assert rig.tidy()
    assert created(plugin, rig)["installed"] == PROFILE
    assert rig.bmc.server.boots == ["Cd", "Cd"]


def test_a_power_cut_starts_the_installer_over(plugin: Driver, rig: Rig) -> None:
    rig.bmc.server.looks_before_cut = [2]
    rig.installs()
    installs = rig.bmc.server.booted
    rig.bmc.server.booted = lambda source, found: installs(source, found) if len(rig.bmc.server.boots) > 1 else None
    _, state, _ = plugin.create(KIND, NAME, rig.inputs())
    assert (rig.bmc.server.boots, state["installed"], rig.tidy()) == (["Cd", "Cd"], PROFILE, True)


def test_power_that_goes_off_again_and_again_ends_the_installation(plugin: Driver, rig: Rig) -> None:
    rig.bmc.server.looks_before_cut = [1, 2, 3]
    with pytest.raises(Fault, match="went off 3 times before it had reported"):
        plugin.create(KIND, NAME, rig.inputs())
    assert (rig.bmc.server.boots, rig.tidy()) == (["Cd"] * 3, True)


def test_an_installer_that_refuses_is_not_taken_for_a_power_cut(plugin: Driver, rig: Rig) -> None:
    """It has no network yet: all that is seen of a refusal is that the server turns itself off, each time."""
    rig.bmc.server.looks_before_cut = [2, 2, 2]
    said = refused(plugin, rig.inputs())
    for words in ("the installer has refused its disks", "hdinfra-install: refused", "`overwrite`", "power supplies"):
        assert words in said
    assert "hdinfra-install: $*" in INIT and 'stop "refused"' in INIT, "as the console has it"
    assert rig.overwritten == () and rig.tidy()


def test_a_server_that_does_not_turn_on_is_named(hurried: Driver, rig: Rig) -> None:
    rig.bmc.server.deaf = {"On"}
    assert f"`{NAME}` was told to be on, and is not after 1 s" in refused(hurried, rig.inputs())
    assert rig.tidy()


def test_a_bmc_that_starts_anew_meanwhile_is_waited_for(rig: Rig) -> None:
    rig.installs()
    installs = rig.bmc.server.booted

    def booted(source: str, found: Path | None) -> None:
        rig.bmc.refuse("GET", BOOTS, 503, "starting", times=3)
        installs(source, found)
        rig.fleet.machines[NAME].seen_seconds = 3600  # its own report comes later

    rig.bmc.server.booted = booted
    late = threading.Thread(target=_reports_once_asked, args=(rig,))
    late.start()
    patient = replace(PACE, silent=60)
    with driven(Servers(patient)) as driver:
        driver.configure()
        _, state, _ = driver.create(KIND, NAME, rig.inputs())
    late.join()
    assert (state["installed"], rig.tidy()) == (PROFILE, True)


def _reports_once_asked(rig: Rig) -> None:
    eventually(lambda: rig.bmc.overlay.left.get(("GET", BOOTS), 1) <= 0, within=90)
    rig.fleet.machines[NAME].seen_seconds = 0.1


def test_a_bmc_that_stays_away_ends_the_installation(hurried: Driver, rig: Rig) -> None:
    rig.bmc.server.booted = lambda _source, _image: rig.bmc.refuse("GET", BOOTS, 503, "starting")
    assert "(503): starting" in refused(hurried, rig.inputs())


def test_a_wrong_password_is_named_with_its_user(plugin: Driver, rig: Rig) -> None:
    said = refused(plugin, rig.inputs(bmc=rig.bmc.access(password="another one")))
    assert "refuses the user `operator` (401)" in said and "fix: write a user of the BMC" in said
    assert "another one" not in said


def test_another_certificate_than_the_pinned_one_is_told_nothing(plugin: Driver, rig: Rig) -> None:
    said = refused(plugin, rig.inputs(bmc=rig.bmc.access(fingerprint="ab" * 32)))
    assert f"fingerprint {rig.bmc.fingerprint}, pinned is {'ab' * 32}" in said
    assert f"write `fingerprint: {rig.bmc.fingerprint}`" in said
    assert rig.bmc.overlay.asked == []


def test_without_a_pin_an_unknown_certificate_is_refused_and_its_own_authority_taken(plugin: Driver, rig: Rig) -> None:
    bare = {name: value for name, value in rig.bmc.access().items() if name != "fingerprint"}
    said = refused(plugin, rig.inputs(bmc=bare))
    assert "no authority that this computer trusts vouches" in said and rig.bmc.fingerprint in said
    foreign = rig.fleet.keys.root
    assert "`bmc.ca` does not vouch" in refused(plugin, rig.inputs(bmc={**bare, "ca": foreign}))
    assert rig.bmc.overlay.asked == []
    created(plugin, rig, bmc={**bare, "ca": rig.bmc.certificate.decode()})


def test_a_pin_is_taken_as_openssl_prints_it(plugin: Driver, rig: Rig) -> None:
    pairs = [rig.bmc.fingerprint[at : at + 2].upper() for at in range(0, 64, 2)]
    created(plugin, rig, bmc=rig.bmc.access(fingerprint=":".join(pairs)))


def test_a_bmc_that_is_not_there_is_named(plugin: Driver, rig: Rig) -> None:
    said = refused(plugin, rig.inputs(bmc=rig.bmc.access(address="https://127.0.0.1:9")))
    assert said.startswith("The BMC at https://127.0.0.1:9 does not answer") and "fix: see whether it has power" in said


def test_a_bmc_without_a_virtual_cd_is_refused_before_anything_is_done_to_its_server(plugin: Driver, rig: Rig) -> None:
    rig.bmc.server.power = "On"
    rig.bmc.amend(CD, lambda told: {**told, "MediaTypes": ["Floppy"]})
    assert "has no virtual media of type CD" in refused(plugin, rig.inputs())
    assert (rig.bmc.server.power, rig.bmc.server.boots) == ("On", [])


def test_an_image_that_the_bmc_does_not_take_is_told_in_its_own_words(plugin: Driver, rig: Rig) -> None:
    rig.bmc.server.power = "On"
    rig.bmc.refuse("POST", rf"{CD}/Actions/VirtualMedia.InsertMedia", 500, "Virtual media is busy with a session")
    said = refused(plugin, rig.inputs())
    assert "does not take the image at https://127.0.0.1" in said and "Virtual media is busy with a session" in said
    assert (rig.tidy(), rig.bmc.server.power, rig.bmc.server.boots) == (True, "On", [])


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ({"serial": "CZ1"}, "its serial is CZ2 or TAG7, expected was cz1"),
        ({"model": "R640"}, "its model is R650, expected was r640"),
        (
            {"macs": ["52:54:00:00:00:03", "52:54:00:00:00:04"]},
            "its macs is 52:54:00:00:00:01 or 52:54:00:00:00:02, expected was 52:54:00:00:00:03 or 52:54:00:00:00:04",
        ),
    ],
    ids=["serial", "model", "macs"],
)
def test_another_server_than_the_one_that_is_meant_is_not_touched(
    plugin: Driver, rig: Rig, expect: dict[str, Any], found: str
) -> None:
    rig.bmc.amend(BOOTS, lambda told: {**told, "SerialNumber": "CZ2", "SKU": "TAG7", "Model": "R650"})
    said = refused(plugin, rig.inputs(expect=expect))
    assert found in said and "Nothing was done to it" in said
    assert rig.bmc.server.boots == []
    right = {"serial": "tag7", "model": "R650", "macs": ["52:54:00:00:00:02", "0c:42:a1:00:06:00"]}
    created(plugin, rig, expect=right)  # of a bond with a port on a card, which few BMCs know


def test_nothing_is_begun_whose_end_nobody_could_tell(plugin: Driver, rig: Rig) -> None:
    nowhere = {**rig.report(), "endpoints": [{"name": "a-control-1", "address": "127.0.0.1", "port": 9}]}
    assert "The management API does not answer" in refused(plugin, rig.inputs(report=nowhere))
    assert "token.unknown" in refused(plugin, rig.inputs(report={**rig.report(), "adminToken": "x" * 30}))
    assert rig.bmc.server.boots == []


def test_an_image_that_was_changed_or_is_not_there_is_refused(plugin: Driver, rig: Rig, tmp_path: Path) -> None:
    copy = image(tmp_path / "changed")
    with (copy / "installer.iso").open("r+b") as file:
        file.write(b"B")
    assert "was changed after it was built" in refused(plugin, rig.inputs(image=str(copy)))
    for deed in (plugin.create, plugin.preview):
        with pytest.raises(Fault, match=r"image\.none.*|hdinfra metal image"):
            deed(KIND, NAME, rig.inputs(image=str(tmp_path)))
    assert rig.bmc.server.boots == []


@pytest.mark.parametrize(
    ("path", "changes"),
    [
        ("bmc.address", {"bmc": {"address": "http://10.0.0.5", "username": "u", "password": "p"}}),
        ("bmc", {"bmc": {"address": "https://10.0.0.5", "username": "u", "password": "p", "fingerprint": "ab" * 32,
                         "ca": "-----BEGIN CERTIFICATE-----\n"}}),
        ("image", {"image": None}),
        ("order", {"order": None}),
        ("order", {"order": "AAA"}),
        ("order", {"order": base64.b64encode(replace(ORDER, wipe=True).packed()).decode()}),
        ("overwrite", {"overwrite": ["S1", "S3"]}),
        ("overwrite", {"boot": "pxe", "image": None, "order": None, "media": None, "overwrite": ["S1"]}),
        ("media", {"media": None}),
        ("media", {"media": {}}),
        ("media", {"media": {"folder": "/srv/media"}}),
        ("media", {"media": {"serve": {"address": "10.0.0.1"}, "folder": "/srv", "url": "https://media.test"}}),
        ("media.serve.address", {"media": {"serve": {"address": "10.0.0.256"}}}),
        ("image", {"boot": "pxe", "order": None, "media": None}),
        ("expect.macs[0]", {"expect": {"macs": ["52-54-00-12-34-56"]}}),
        ("onDelete", {"onDelete": "destroy"}),
        ("profile", {"profile": "latest"}),
    ],
)  # fmt: skip
def test_refuses_inputs_that_do_not_go_together(plugin: Driver, rig: Rig, path: str, changes: dict[str, Any]) -> None:
    assert [found for found, _ in plugin.check(KIND, rig.inputs(**changes))] == [path]
