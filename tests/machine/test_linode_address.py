"""A Linode speaks from the IPv6 address that the plan told to others: its boot step, against stand-ins for `ip`."""

import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from hdinfra.clouds.linode import KEPT
from hdinfra.machine.roles import MANAGED, machine_of
from hdinfra.machine.unmanaged import unmanaged
from tests.machine.debian import planned

SCRIPT = files("hdinfra.machine").joinpath("assets", "linode")
MADE = {"local": "2001:db8:1:2a0c:f03c:95ff:fe00:1", "prefixlen": 64, "scope": "global", "dynamic": True}
ROUTES = [{"dst": "default", "gateway": "fe80::1", "dev": "eth0", "protocol": "ra", "metric": 1024}]
SPEAKS = [
    "-6 address replace 2001:db8:1:2a0c::10/64 dev eth0 scope global",
    "-6 route replace default via fe80::1 dev eth0 src 2001:db8:1:2a0c::10 metric 512",
]


def run(folder: Path, addresses: Any, routes: Any = ROUTES, exit_code: int = 0) -> tuple[int, list[str]]:
    """Exit code of the boot step, and what it had `ip` change. What it asks for is answered with these."""
    (folder / "addresses").write_text(json.dumps(addresses) if addresses is not None else "")
    (folder / "routes").write_text(json.dumps(routes))
    (folder / "ip").write_text(
        "#!/bin/sh\n"
        f'case "$*" in *"address show"*) cat "{folder}/addresses";; *"route show"*) cat "{folder}/routes";;\n'
        f'*) echo "$@" >> "{folder}/commands"; exit {exit_code};; esac\n'
    )
    (folder / "ip").chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-IB", str(SCRIPT)],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        timeout=60,
        check=False,
        capture_output=True,
    )
    said = folder / "commands"
    return done.returncode, said.read_text().splitlines() if said.exists() else []


def link(*addresses: dict[str, Any], name: str = "eth0") -> list[dict[str, Any]]:
    """An interface with these addresses, as `ip -json` tells."""
    return [{"ifname": name, "addr_info": list(addresses)}]


@pytest.mark.parametrize(
    ("addresses", "commands"),
    [
        (link(MADE), SPEAKS),
        (link(MADE, {**MADE, "local": "2001:db8:1:2a0c::10", "dynamic": False}), SPEAKS),
        (link({**MADE, "deprecated": True}), []),
        (link({**MADE, "dynamic": False}), []),
        (link({**MADE, "prefixlen": 128}), []),
        (link(), []),
        ([], []),
        (None, []),
    ],
    ids=["announced", "again", "given up", "somebody's own", "no network", "no address", "no interface", "silence"],
)
def test_speaks_from_its_kept_address(tmp_path: Path, addresses: Any, commands: list[str]) -> None:
    assert run(tmp_path, addresses) == (0, commands)


def test_has_the_address_before_a_router_is_known(tmp_path: Path) -> None:
    assert run(tmp_path, link(MADE), routes=[]) == (0, SPEAKS[:1])


def test_what_ip_refuses_is_an_error_and_not_half_done(tmp_path: Path) -> None:
    code, done = run(tmp_path, link(MADE), exit_code=2)
    assert (code != 0, done) == (True, SPEAKS[:1])


def test_it_is_the_address_that_the_cloud_tells() -> None:
    assert f"KEPT = {KEPT:#x}\n" in SCRIPT.read_text()


@pytest.mark.parametrize("role", sorted(MANAGED))
def test_every_machine_of_a_zone_has_it_and_only_a_linode_runs_it(role: str) -> None:
    machine = machine_of("india", planned(role))
    units = {unit.name: unit for unit in machine.units if unit.name.startswith("hdinfra-linode.")}
    (script,) = [file for file in machine.files if file.path == "/usr/lib/hdinfra/linode"]
    service, timer = units["hdinfra-linode.service"], units["hdinfra-linode.timer"]
    assert (service.enabled, timer.enabled, script.mode) == (False, True, 0o755)
    # `|`: one of them is enough.
    for vendor in ("Akamai", "Linode"):
        assert f'ConditionFirmware=|smbios-field(sys_vendor = "{vendor}")\n' in str(timer.content)
    # A Linode may be the computer on which somebody runs the local cloud.
    assert "ConditionVirtualization=!container\n" in str(timer.content)
    assert "OnUnitInactiveSec=15\n" in str(timer.content)


def test_a_customers_own_linode_keeps_its_routes() -> None:
    machine = unmanaged(machine_of("india", planned("waf")))
    assert not {unit.name for unit in machine.units if "linode" in unit.name}
    assert not {file.path for file in machine.files if "linode" in file.path}
