"""An inventory feeds the profile: the server's disks and ports, the host's name, addresses and wishes."""

from ipaddress import ip_address, ip_interface

import pytest

from hdinfra.model.hardware.checked import checked
from hdinfra.model.hardware.server_plan import server_plan
from hdinfra.model.refusal import RefusedError
from hdinfra.model.server import Addresses, Bonding, Disk, Link, ServerPlan
from tests.model import hardware_specs as hardware
from tests.model.legal import setting


def test_a_plan_has_the_servers_parts_and_the_hosts_identity() -> None:
    assert server_plan(hardware.inventory(setting("hosts.1.swap_mib", 512)), "web-2") == ServerPlan(
        name="web-2",
        disks=(Disk("S64FNE0R802301", 915_715), Disk("S64FNE0R802302", 915_715)),
        links=(Link("0c:42:a1:00:03:00", "lan0"), Link("0c:42:a1:00:03:01", "lan1")),
        network=Addresses(
            ip_interface("192.0.2.12/24"),
            ip_address("192.0.2.1"),
            ip_interface("2001:db8:1::12/64"),
            ip_address("fe80::1"),
            (ip_address("192.0.2.53"), ip_address("2001:db8:1::53")),
        ),
        swap_mib=512,
        bonding=Bonding.ACTIVE_BACKUP,
    )


def test_a_host_moves_by_one_line() -> None:
    moved = setting("hosts.0.server", "iron-6"), setting("spares", ["iron-5"])
    before, after = (server_plan(hardware.inventory(*changes), "web-1") for changes in ((), moved))
    assert (after.name, after.network) == (before.name, before.network)
    assert not {disk.serial for disk in after.disks} & {disk.serial for disk in before.disks}
    assert not {link.mac for link in after.links} & {link.mac for link in before.links}


def test_spare_disks_and_the_smallest_disk() -> None:
    spare = [{"serial": "S7", "size_mib": 457_862}]
    plan = server_plan(hardware.inventory(setting("servers.0.spare_disks", spare)), "web-1")
    assert plan.spare_disks == (Disk("S7", 457_862),)
    assert plan.disk_mib == 457_862


def test_after_the_last_spare_a_program_goes_on_by_saying_so() -> None:
    spec = hardware.spec_of(setting("hosts.0.server", "iron-6"), setting("spares", []))
    with pytest.raises(RefusedError) as refused:
        checked(spec)
    assert {refusal.rule for refusal in refused.value.refusals} == {"spare.per-model-and-site"}
    assert server_plan(checked(spec, {"spare.per-model-and-site"}), "web-1").name == "web-1"


def test_a_host_that_is_not_there() -> None:
    with pytest.raises(KeyError, match="web-9"):
        server_plan(hardware.inventory(), "web-9")
