"""When a battery is low: real upsd and a real driver on the ups.conf that a host is given, in front of a UPS that says
what it is told to. What decides is the core that all drivers share, `dummy-ups` of test_nut.py among them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from docker.models.containers import Container

from hdinfra.machine.metal.nut import PACKAGES, ups_conf
from hdinfra.model.hardware.power_plan import power_plans
from hdinfra.model.power import Battery
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import lay_files, start_container
from tests.machine.nut_site import BASE
from tests.machine.sync_stack import eventually
from tests.model import hardware_specs as hardware
from tests.model.refused_ups import watched

LOW_SECONDS = 300
OWN_MINUTES = 2
"""What the UPS has by itself."""
WITHIN = 60
_APCUPSD = """\
import pathlib, socket, struct
server = socket.create_server(("127.0.0.1", 3551))
while True:
    client, _ = server.accept()
    with client:
        asked = client.recv(2)
        client.recv(struct.unpack("!H", asked)[0]) if len(asked) == 2 else b""
        for line in pathlib.Path("/root/ups.txt").read_text().splitlines(True):
            client.sendall(struct.pack("!H", len(line)) + line.encode())
        client.sendall(bytes(2))
"""
"""As apcupsd answers on its port (NIS), by which NUT's `apcupsd-ups` asks it."""


class Ups:
    """One UPS at the cable of a host."""

    def __init__(self, container: Container) -> None:
        self._container = container

    def must(self, *argv: str) -> str:
        """What a program said that has to end well."""
        code, words = self._container.exec_run(argv)
        assert code == 0, (argv, words.decode())
        return str(words.decode())

    def says(self, status: str, minutes: float) -> None:
        """From now on."""
        lines = (f"STATUS : {status}", "BCHARGE : 60.0 Percent", f"TIMELEFT : {minutes} Minutes")
        own = (f"MINTIMEL : {OWN_MINUTES} Minutes", "MBATTCHG : 10 Percent")
        lay_files(self._container, {"/root/ups.new": "".join(f"{line}\n" for line in (*lines, *own))})
        self.must("mv", "/root/ups.new", "/root/ups.txt")

    def seen(self) -> dict[str, str]:
        """All that upsd has of it."""
        _, words = self._container.exec_run(["upsc", "ups-red"])
        return dict(line.split(": ", 1) for line in words.decode().splitlines() if ": " in line)

    def becomes(self, minutes: float, status: str) -> None:
        """Wait until its driver has heard that it lasts so long, and says that of it."""

        def so() -> bool:
            seen = self.seen()
            return (seen.get("battery.runtime"), seen.get("ups.status")) == (f"{minutes * 60:.1f}", status)

        eventually(so, WITHIN, lambda: str(self.seen()))


@pytest.fixture(scope="module")
def ups(engine: Engine) -> Iterator[Ups]:
    container = start_container(engine, (*BASE, *PACKAGES))
    host = power_plans(hardware.inventory(watched))[0].host("web-1")
    found = Ups(container)
    try:
        (battery,) = host.batteries
        assert battery == Battery("ups-red", "usbhid-ups", "auto", None, LOW_SECONDS)
        played = replace(host, batteries=(replace(battery, driver="apcupsd-ups", port="127.0.0.1"),))
        files = {"ups.conf": ups_conf(played), "nut.conf": "MODE=netserver\n", "upsd.conf": "LISTEN 127.0.0.1 3493\n"}
        lay_files(container, {f"/etc/nut/{name}": text for name, text in files.items()})
        lay_files(container, {"/root/apcupsd.py": _APCUPSD, "/etc/nut/upsd.users": ""})
        found.says("ONBATT", 15.0)
        container.exec_run(["python3", "/root/apcupsd.py"], detach=True)
        found.must("sh", "-c", "mkdir -p /run/nut && chown nut:nut /run/nut && chgrp nut /etc/nut/*")
        eventually(lambda: container.exec_run(["/lib/nut/apcupsd-ups", "-a", "ups-red"]).exit_code == 0, WITHIN, str)
        found.must("upsd")
        yield found
    finally:
        container.remove(force=True)


def test_it_is_low_as_early_as_its_site_needs_and_not_when_it_says_so_itself(ups: Ups) -> None:
    ups.becomes(15.0, "OB")
    assert ups.seen()["battery.runtime.low"] == str(LOW_SECONDS)
    ups.says("ONBATT", 4.9)
    ups.becomes(4.9, "OB LB")
    ups.says("ONBATT", 5.1)
    ups.becomes(5.1, "OB")
    ups.says("ONBATT LOWBATT", 14.0)  # as some do as soon as the mains are gone
    ups.becomes(14.0, "OB")
