"""A Droplet speaks from the addresses that the plan told to others: its boot step against a stand-in."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hdinfra.machine.roles import MANAGED, machine_of
from hdinfra.machine.sources import asset
from hdinfra.machine.unmanaged import unmanaged
from tests.machine.debian import planned

SCRIPT = files("hdinfra.machine").joinpath("assets", "droplet")
UNIT = "hdinfra-droplet.service"
PUBLIC = {
    "mac": "04:01:58:27:7f:01",
    "type": "public",
    "ipv4": {"ip_address": "203.0.113.93", "netmask": "255.255.240.0", "gateway": "203.0.112.1"},
    "anchor_ipv4": {"ip_address": "10.17.0.9", "netmask": "255.255.0.0", "gateway": "10.17.0.1"},
    "ipv6": {"ip_address": "2001:0DB8:0800:00A1:0000:0000:0201:0001", "cidr": 64, "gateway": "2001:db8:800:a1::1"},
}
FOR_IPV4 = [
    "-4 route replace 169.254.169.254 via 203.0.112.1 dev eth0 src 203.0.113.93",
    "-4 address replace 10.17.0.9/16 dev eth0",
    "-4 route replace default via 10.17.0.1 dev eth0 src 10.17.0.9",
]
FOR_IPV6 = [
    "-6 address replace 2001:db8:f7::4c6e/128 dev lo scope global",
    "-6 route replace 2001:db8:800:a1::/64 dev eth0 src 2001:db8:f7::4c6e metric 128",
    "-6 route replace default dev eth0 src 2001:db8:f7::4c6e metric 512",
]


def metadata(*families: str) -> dict[str, Any]:
    """What a Droplet is told of itself when it has been assigned reserved addresses of these families."""
    kept = {"ipv4": "198.51.100.7", "ipv6": "2001:db8:f7::4c6e"}
    reserved = {
        family: {"ip_address": address, "active": True} if family in families else {"active": False}
        for family, address in kept.items()
    }
    return {"droplet_id": 1, "interfaces": {"public": [PUBLIC], "private": []}, "reserved_ip": reserved}


@dataclass
class Cloud:
    """Gives its answers one after the other, the last one for ever; None is an error of its own."""

    answers: list[Any] = field(default_factory=list)
    asked: int = 0
    url: str = ""

    def next(self) -> Any:
        """The answer to this question."""
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """The metadata service of a Droplet."""
    told = Cloud()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = told.next()
            self.send_response(200 if answer is not None and self.path == "/metadata/v1.json" else 500)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}/metadata/v1.json"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def run(cloud: Cloud, folder: Path, ip: str = 'echo "$@" >> commands') -> tuple[int, list[str]]:
    """Exit code of the boot step, and what it had `ip` do."""
    (folder / "ip").write_text(f'#!/bin/sh\ncd "{folder}"\n{ip}\n')
    (folder / "ip").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-IB", str(SCRIPT), cloud.url, "0.02"],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        timeout=60,
        check=False,
        capture_output=True,
    )
    said = folder / "commands"
    return done.returncode, said.read_text().splitlines() if said.exists() else []


def test_speaks_from_both_when_both_are_assigned(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [metadata("ipv4", "ipv6")]
    assert run(cloud, tmp_path) == (0, FOR_IPV4 + FOR_IPV6)
    assert cloud.asked == 1


def test_waits_for_each_family_and_takes_them_as_they_come(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [None, {"droplet_id": 1}, metadata(), metadata("ipv6"), metadata("ipv6"), metadata("ipv4", "ipv6")]
    assert run(cloud, tmp_path) == (0, FOR_IPV6 + FOR_IPV4)
    assert cloud.asked == 6


def test_what_ip_refuses_is_tried_again_by_systemd(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [metadata("ipv4")]
    code, done = run(cloud, tmp_path, 'echo "$@" >> commands; exit 2')
    assert (code != 0, done) == (True, FOR_IPV4[:1])
    assert "Restart=on-failure" in asset(UNIT)


@pytest.mark.parametrize("role", sorted(MANAGED))
def test_every_machine_of_a_zone_has_it_and_only_a_droplet_runs_it(role: str) -> None:
    machine = machine_of("india", planned(role))
    (unit,) = [unit for unit in machine.units if unit.name == UNIT]
    (script,) = [file for file in machine.files if file.path == "/usr/lib/hdinfra/droplet"]
    assert (unit.enabled, script.mode) == (True, 0o755)
    lines = (unit.content or "").splitlines()
    assert 'ConditionFirmware=smbios-field(sys_vendor = "DigitalOcean")' in lines
    # A Droplet may be the computer on which somebody runs the local cloud.
    assert "ConditionVirtualization=!container" in lines
    assert "ExecStart=/usr/lib/hdinfra/droplet http://169.254.169.254/metadata/v1.json 3" in lines


def test_a_customers_own_droplet_keeps_its_routes() -> None:
    machine = unmanaged(machine_of("india", planned("waf")))
    assert UNIT not in {unit.name for unit in machine.units}
    assert "/usr/lib/hdinfra/droplet" not in {file.path for file in machine.files}
