"""A Droplet speaks from the addresses that the plan told to others: its boot step against a stand-in."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hdinfra.machine.roles import MANAGED, machine_of
from hdinfra.machine.unmanaged import unmanaged
from tests.machine.debian import planned

SCRIPT = files("hdinfra.machine").joinpath("assets", "droplet")
PUBLIC = {
    "mac": "04:01:58:27:7f:01",
    "type": "public",
    "ipv4": {"ip_address": "203.0.113.93", "netmask": "255.255.240.0", "gateway": "203.0.112.1"},
    "anchor_ipv4": {"ip_address": "10.17.0.9", "netmask": "255.255.0.0", "gateway": "10.17.0.1"},
    "ipv6": {"ip_address": "2001:0DB8:0800:00A1:0000:0000:0201:0001", "cidr": 64, "gateway": "2001:db8:800:a1::1"},
}
FOR_IPV4 = [
    "ip -4 route replace 169.254.169.254 via 203.0.112.1 dev eth0 src 203.0.113.93",
    "ip -4 address replace 10.17.0.9/16 dev eth0",
    "ip -4 route replace default via 10.17.0.1 dev eth0 src 10.17.0.9",
]
FOR_IPV6 = [
    "ip -6 address replace 2001:db8:f7::4c6e/128 dev lo scope global",
    "sysctl -q net.ipv6.neigh.default.gc_thresh3=32768 net.ipv6.neigh.default.gc_thresh2=16384",
    "ip -6 route replace 2001:db8:800:a1::/64 dev eth0 src 2001:db8:f7::4c6e metric 128",
    "ip -6 route replace default dev eth0 src 2001:db8:f7::4c6e metric 512",
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
    """What it tells of a Droplet; None is an error of its own."""

    answer: Any = None
    url: str = ""


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """The metadata service of a Droplet."""
    told = Cloud()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if told.answer is not None and self.path == "/metadata/v1.json" else 500)
            self.end_headers()
            self.wfile.write(json.dumps(told.answer).encode())

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


def run(cloud: Cloud, folder: Path, exit_code: int = 0) -> tuple[int, list[str]]:
    """Exit code of the boot step, and what it had `ip` and `sysctl` do, which all end with that exit code."""
    for name in ("ip", "sysctl"):
        (folder / name).write_text(f'#!/bin/sh\necho {name} "$@" >> "{folder}/commands"\nexit {exit_code}\n')
        (folder / name).chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-IB", str(SCRIPT), cloud.url],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        timeout=60,
        check=False,
        capture_output=True,
    )
    said = folder / "commands"
    return done.returncode, said.read_text().splitlines() if said.exists() else []


@pytest.mark.parametrize(
    ("families", "commands"),
    [((), []), (("ipv4",), FOR_IPV4), (("ipv6",), FOR_IPV6), (("ipv4", "ipv6"), FOR_IPV4 + FOR_IPV6)],
    ids=["neither", "IPv4", "IPv6", "both"],
)
def test_speaks_from_what_is_assigned(
    cloud: Cloud, tmp_path: Path, families: tuple[str, ...], commands: list[str]
) -> None:
    cloud.answer = metadata(*families)
    assert run(cloud, tmp_path) == (0, commands)
    cloud.answer = {"droplet_id": 1, **({"reserved_ip": {}} if families else {})}
    assert run(cloud, tmp_path) == (0, commands)


def test_metadata_that_say_nothing_are_an_error_and_change_nothing(cloud: Cloud, tmp_path: Path) -> None:
    code, commands = run(cloud, tmp_path)
    assert (code != 0, commands) == (True, [])


def test_what_ip_refuses_is_an_error_and_not_half_done(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answer = metadata("ipv4", "ipv6")
    code, done = run(cloud, tmp_path, exit_code=2)
    assert (code != 0, done) == (True, FOR_IPV4[:1])


@pytest.mark.parametrize("role", sorted(MANAGED))
def test_every_machine_of_a_zone_has_it_and_only_a_droplet_runs_it(role: str) -> None:
    machine = machine_of("india", planned(role))
    units = {unit.name: unit for unit in machine.units if unit.name.startswith("hdinfra-droplet.")}
    (script,) = [file for file in machine.files if file.path == "/usr/lib/hdinfra/droplet"]
    service, timer = units["hdinfra-droplet.service"], units["hdinfra-droplet.timer"]
    assert (service.enabled, timer.enabled, script.mode) == (False, True, 0o755)
    assert "ExecStart=/usr/lib/hdinfra/droplet http://169.254.169.254/metadata/v1.json\n" in str(service.content)
    assert 'ConditionFirmware=smbios-field(sys_vendor = "DigitalOcean")\n' in str(timer.content)
    # A Droplet may be the computer on which somebody runs the local cloud.
    assert "ConditionVirtualization=!container\n" in str(timer.content)
    # However its routes got lost, it has them again soon.
    assert "OnUnitInactiveSec=15\n" in str(timer.content)


def test_a_customers_own_droplet_keeps_its_routes() -> None:
    machine = unmanaged(machine_of("india", planned("waf")))
    assert not {unit.name for unit in machine.units if "droplet" in unit.name}
    assert not {file.path for file in machine.files if "droplet" in file.path}
