"""A server behind an emulated BMC, an installer's image, and a management API to which what was installed reports."""

import base64
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from hdinfra.plugins.metal.pace import Pace
from hdinfra.plugins.metal.package import Servers
from hdinfra.protocol.installer_image import MANIFEST, Manifest
from hdinfra.protocol.order import FRAME_BYTES, Order, unframed, unpacked, unwritten
from tests.engine.policy_api import StackKeys, StandInApi, StandInFleet, StandInMachine, serving_api
from tests.engine.redfish_bmc import EmulatedBmc, StandInServer, emulated
from tests.local.hdlocal_fixtures import Driver, Fault, driven

BOOTS = r"/redfish/v1/Systems/[^/]+"
CD = rf"{BOOTS}/VirtualMedia/Cd"
KIND = "hdmetal:index:Server"
NAME = "srv-a1"
PROFILE = hashlib.sha256(b"as asked for").hexdigest()
OTHER = hashlib.sha256(b"otherwise").hexdigest()
DISKS = ["S1", "S2"]
FACTS = {"name": NAME, "disks": [{"serial": serial, "mib": 491_520} for serial in DISKS]}
ORDER = Order(FACTS, {"user-data": b"#cloud-config\n"}, {"/etc/motd": (b"hello\n", 0o644)})
PACKED = ORDER.packed()
OFFSET = 70_000  # in the middle of a chunk
PACE = Pace(power=40, report=90, silent=1, api=1.5, alive=60, poll=0.05, look=0.1)
HURRY = replace(PACE, power=1, report=3)
"""For what never comes."""
Json = dict[str, Any]


@dataclass
class Installed(StandInMachine):
    """What an installed server says of itself; `key` is another one after each installation."""

    profile: str = PROFILE
    key: str = "0" * 16

    def told(self, name: str) -> Json:
        return {**super().told(name), "profile": self.profile, "key": self.key}


def image(folder: Path) -> Path:
    """A folder as `hdinfra metal image` leaves it; its image boots nothing."""
    folder.mkdir()
    content = b"A" * OFFSET + unwritten() + b"Z" * 3_000_000
    (folder / "installer.iso").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    manifest = Manifest("installer.iso", digest, OFFSET, FRAME_BYTES, "linux-image-amd64", "trixie", ())
    (folder / MANIFEST).write_text(manifest.text())
    return folder


def told_in(path: Path) -> Order:
    """The order that an installer would find in the image that its BMC fetched."""
    content = path.read_bytes()
    assert len(content) == OFFSET + FRAME_BYTES + 3_000_000
    assert (content[:OFFSET], content[OFFSET + FRAME_BYTES :]) == (b"A" * OFFSET, b"Z" * 3_000_000)
    return unpacked(unframed(content[OFFSET : OFFSET + FRAME_BYTES]))


@dataclass
class Rig:
    """All that one server takes. `installs` makes it report once it boots from what an installer boots from."""

    bmc: EmulatedBmc
    fleet: StandInFleet
    api: StandInApi
    image: Path
    installations: int = 0
    overwritten: tuple[str, ...] = ()
    """What the last installer was let overwrite."""

    def inputs(self, **changes: Any) -> Json:
        """As the plugin gets them; None leaves one out."""
        plain = {
            "server": NAME,
            "bmc": self.bmc.access(),
            "boot": "virtual-media",
            "image": str(self.image),
            "order": base64.b64encode(PACKED).decode(),
            "media": {"serve": {"address": "127.0.0.1"}},
            "profile": PROFILE,
            "report": self.report(),
            **changes,
        }
        return {name: value for name, value in plain.items() if value is not None}

    def report(self) -> Json:
        keys = self.fleet.keys
        return {"machine": NAME, "endpoints": [self.api.endpoint], "root": keys.root, "adminToken": keys.token}

    def installs(self, profile: str = PROFILE, source: str = "Cd") -> None:
        """From now on it does as a good installer does."""

        def booted(found: str, image: Path | None) -> None:
            if found != source:
                return
            if image is not None:
                order = told_in(image)
                assert replace(order, overwrite=()) == ORDER
                self.overwritten = order.overwrite
            self.installations += 1
            self.fleet.machines[NAME] = Installed(profile=profile, key=f"{self.installations:016x}")

        self.bmc.server.booted = booted

    def reports(self, profile: str = PROFILE, seen_seconds: float = 1) -> None:
        """It was installed before, by somebody."""
        self.fleet.machines[NAME] = Installed(seen_seconds=seen_seconds, profile=profile)

    def tidy(self) -> bool:
        """Nothing inserted, and the next boot is from the disks."""
        return (self.bmc.inserted(), self.bmc.server.source) == ("", "Hdd")


@contextmanager
def a_rig(folder: Path, installer: Path) -> Iterator[Rig]:
    """One server of that name, its BMC and its management API."""
    fleet = StandInFleet(StackKeys.made())
    with emulated([StandInServer(NAME)], folder) as bmc, serving_api(fleet, "a-control-1", folder) as api:
        yield Rig(bmc, fleet, api, installer)


@contextmanager
def plugged_in(pace: Pace) -> Iterator[Driver]:
    """The plugin, with that patience."""
    with driven(Servers(pace)) as driver:
        assert driver.configure() == []
        yield driver


def refused(plugin: Driver, inputs: dict[str, Any]) -> str:
    """What a create of these ends with."""
    with pytest.raises(Fault) as fault:
        plugin.create(KIND, NAME, inputs)
    assert fault.value.code == "FAILED_PRECONDITION", fault.value
    return fault.value.message


def created(plugin: Driver, rig: Rig, **changes: Any) -> dict[str, Any]:
    """The state of an installed server."""
    rig.installs()
    resource_id, state, _ = plugin.create(KIND, NAME, rig.inputs(**changes))
    assert resource_id == NAME
    return state
