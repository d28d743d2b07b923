"""The server of the rig, installed through its BMC on blank disks, as `hdmetal:Server` does it."""

import base64
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdinfra.machine.metal.profile import profile_digest
from hdinfra.machine.unmanaged import CODE_FOLDER
from hdinfra.plugins.kind import Call
from hdinfra.plugins.metal.pace import Pace
from hdinfra.plugins.metal.package import Servers
from tests.engine.metal_rig import KIND, Rig
from tests.engine.metal_rig import Installed as Reporting
from tests.engine.policy_api import StackKeys, StandInFleet, serving_api
from tests.engine.redfish_bmc import emulated
from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import Bays, Chassis, bays
from tests.metal.rack_bmc import QemuServer
from tests.metal.rack_image import ensure_installer, rack_machine
from tests.metal.rack_install import INSTALL_SECONDS, Installed, booted, ended
from tests.metal.rack_looks import mirrors
from tests.metal.rack_server import rack_order, rack_server

PLAN = rack_server()
WANTED = profile_digest(rack_machine(PLAN))
_PATIENCE = INSTALL_SECONDS + BOOT_SECONDS
_TELL = f"""import sys; sys.path.insert(0, {CODE_FOLDER!r})
from pathlib import Path
from hdinfra.agent import look
print(look.profile(Path('/')))"""


@dataclass(frozen=True)
class Ordered:
    """What came of it: the resource's id and state, the state that another run found, what the server booted from,
    whether the BMC was left tidy, the code of a read of the medium inside the server, and its mirrors."""

    resource_id: str
    state: dict[str, Any]
    again: dict[str, Any]
    boots: list[str]
    tidy: bool
    medium_read: int
    mirrors: dict[str, str]


@contextmanager
def installed_through_bmc(folder: Path) -> Iterator[tuple[Ordered, Installed]]:
    """It has finished its first boot and is off; the folder is for keys and logs."""
    fleet = StandInFleet(StackKeys.made())
    with (
        bays(PLAN) as blank,
        _in_a_rack(blank) as server,
        emulated([server], folder) as bmc,
        serving_api(fleet, "a-control-1", folder) as api,
    ):
        yield _installed(Rig(bmc, fleet, api, ensure_installer(PLAN)), server, blank)


@contextmanager
def _in_a_rack(blank: Bays) -> Iterator[QemuServer]:
    """As long as the context is open; off afterwards."""
    server = QemuServer(PLAN.name, macs=[link.mac for link in PLAN.links], bays=blank)
    try:
        yield server
    finally:
        server.scrap()


def _installed(rig: Rig, server: QemuServer, blank: Bays) -> tuple[Ordered, Installed]:
    inputs = rig.inputs(
        server=PLAN.name,
        order=base64.b64encode(rack_order(PLAN)).decode(),
        profile=WANTED,
        report={**rig.report(), "machine": PLAN.name},
        expect={"macs": server.macs},
        waitSeconds=_PATIENCE,
    )
    watches: list[Future[float]] = []
    with ThreadPoolExecutor(1) as pool:
        server.booted = lambda _source, _image: watches.append(pool.submit(_relayed, rig, server.place))
        plugin, call = Servers(Pace(poll=1, look=5)).configure({})[KIND], Call(PLAN.name, progress=print, warn=print)
        resource_id, state = plugin.create(call, inputs)
        made = watches[0].result(60)
    place = server.place
    assert place is not None
    booted(place, BOOT_SECONDS)
    ready = place.seconds
    # Another run knows nothing of it but what it reports.
    _, again = plugin.create(call, inputs)
    medium, _ = place.run("dd", "if=/dev/sr0", "of=/dev/null", "count=1")
    told = Ordered(resource_id, state, again, server.boots, rig.tidy(), medium, mirrors(place))
    place.power_off()
    console = place.console.read_text(errors="replace")
    return told, Installed(blank, console, made, place.boot_seconds, ready)


def _relayed(rig: Rig, place: Chassis | None) -> float:
    """Seconds to the installer's end. Then the machine's report, by the shell of the tests: its network leads nowhere.
    What it says is the agent's own."""
    assert place is not None
    words = ended(place, INSTALL_SECONDS)
    assert f"done: {PLAN.name} is installed" in words, words
    made = place.seconds
    place.await_shell(BOOT_SECONDS)
    told = place.must("python3", "-c", _TELL).strip()
    rig.fleet.machines[PLAN.name] = Reporting(profile=told, seen_seconds=0.1)
    return made
