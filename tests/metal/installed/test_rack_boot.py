"""A server that our installer made, unattended: it boots with both disks and with either, and says which is gone."""

import json

import pytest

from hdinfra.machine.metal.server_file import server_facts
from tests.metal.guest import BOOT_SECONDS
from tests.metal.rack import ECHO, Chassis, copied, powered
from tests.metal.rack_install import Installed
from tests.metal.rack_looks import DEGRADED, WHOLE, esps, mirrors, mounts, problems
from tests.metal.rack_server import SERIALS

SLOWER = 1.3
"""How much longer a boot without a disk may take (the issue's figure)."""
NOISE_SECONDS = 20
"""By which two boots of the same server differ where two cores are shared with others."""
# Sends a number, waits for its echo, and says how long the slowest took; one TCP session, which must not end.
TALK = """\
import json, socket, sys, time
from pathlib import Path
def talk(stop):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60) as line:
        count, slowest = 0, 0.0
        while not stop():
            started = time.monotonic()
            line.sendall(b"%08d" % count)
            got = b""
            while len(got) < 8:
                more = line.recv(8 - len(got))
                if not more:
                    return {"count": count, "slowest": slowest, "lost": True}
                got += more
            assert got == b"%08d" % count
            count, slowest = count + 1, max(slowest, time.monotonic() - started)
            Path("/run/talk-count").write_text(str(count))
            time.sleep(0.02)
    return {"count": count, "slowest": slowest, "lost": False}
print(json.dumps(talk(Path("/run/talk-stop").exists)))
"""


def test_an_installation_takes_nobody_and_says_where_it_is(installed: Installed) -> None:
    print(f"installed {installed.installed:.0f} s, booted {installed.booted:.0f} s, ready {installed.ready:.0f} s")
    print({number: round(seconds, 1) for number, seconds in installed.steps.items()})
    assert list(installed.steps) == [1, 2, 3, 4, 5, 6, 7]
    assert installed.installed < installed.booted <= installed.ready


@pytest.mark.alone  # because of the boot, whose time is the measure of the one without a disk
def test_it_is_what_was_ordered(installed: Installed, running: Chassis) -> None:
    assert mirrors(running) == WHOLE
    assert {path: mounts(running)[path] for path in ("/", "/boot", "swap")} == {
        path: running.must("readlink", "-f", f"/dev/md/{name}").strip()
        for path, name in {"/": "root", "/boot": "boot", "swap": "swap"}.items()
    }
    assert "UUID=" in running.must("grep", " / ", "/etc/fstab")
    assert len(esps(running)) == 2 == 3 - len(set(esps(running))), "the two EFI system partitions are not alike"
    assert json.loads(running.must("cat", "/etc/hdinfra/server.json")) == server_facts(installed.bays.server)
    assert problems(running) == []
    assert running.must("hostname").strip() == installed.bays.server.name
    assert running.must("stat", "-c", "%a", "/var/lib/cloud/seed/nocloud/user-data").strip() == "600"


def test_every_unit_starts_in_its_order(running: Chassis) -> None:
    """Where units wait for one another in a ring, systemd leaves one of them out."""
    assert "ordering cycle" not in running.console.read_text(errors="replace").lower()
    assert running.must("systemctl", "--failed", "--no-legend", "--plain").strip() == ""


def test_its_links_are_one_in_both_families(installed: Installed, running: Chassis) -> None:
    told = json.loads(running.must("ip", "-json", "address", "show", "dev", "bond0"))[0]["addr_info"]
    network = installed.bays.server.network
    assert {str(network.ipv4), str(network.ipv6)} <= {f"{one['local']}/{one['prefixlen']}" for one in told}
    names = {one["ifname"] for one in json.loads(running.must("ip", "-json", "link", "show", "master", "bond0"))}
    assert names == {link.name for link in installed.bays.server.links}


def test_a_tcp_session_outlives_either_cable(running: Chassis) -> None:
    address, port = ECHO
    running.put({"/root/talk.py": TALK})
    running.must("nft", "flush", "ruleset")  # the echo stands for a client; a server of ours calls nobody
    told = "--property=StandardOutput=truncate:/run/talk"
    running.must("systemd-run", "--unit=talk", told, "/usr/bin/python3", "-IB", "/root/talk.py", address, str(port))
    _await_more(running)
    for name in ("lan0", "lan1"):
        running.set_link(name, up=False)
        other = {"lan0": "lan1", "lan1": "lan0"}[name]
        running.must("sh", "-c", f"until grep -q 'Active Slave: {other}' /proc/net/bonding/bond0; do sleep 0.1; done")
        _await_more(running)
        running.set_link(name, up=True)
        running.must("sh", "-c", f"until ip link show {name} | grep -q LOWER_UP; do sleep 0.1; done")
    running.must("touch", "/run/talk-stop")
    running.must("sh", "-c", "while systemctl -q is-active talk; do sleep 0.2; done", seconds=120)
    running.must("systemctl", "restart", "hdinfra-firewall")
    found = json.loads(running.must("cat", "/run/talk"))
    assert (found["lost"], found["count"] >= 15) == (False, True), found
    print(f"the slowest of {found['count']} answers took {found['slowest']:.2f} s")


def _await_more(place: Chassis) -> None:
    """Five answers from now on, over whichever cable."""
    read = "$(cat /run/talk-count 2>/dev/null || true)"
    place.must("sh", "-c", f'n={read}; until [ "0{read}" -ge "$((${{n:-0}} + 5))" ]; do sleep 0.05; done', seconds=120)


@pytest.mark.parametrize("gone", [pytest.param(SERIALS[0], marks=pytest.mark.alone), SERIALS[1]])
def test_it_boots_without_either_disk_and_says_which(installed: Installed, running: Chassis, gone: str) -> None:
    with copied(installed.bays) as disks, powered(disks, without=[gone]) as place:
        place.await_shell(BOOT_SECONDS)
        assert mirrors(place) == DEGRADED
        told = problems(place)
        assert [gone in one and "`hdraid replace`" in one for one in told if one.startswith("array ")] == [True] * 3, (
            told
        )
        print(f"with both disks {running.boot_seconds:.0f} s, without {gone} {place.boot_seconds:.0f} s")
        if gone == SERIALS[0]:
            assert place.boot_seconds < running.boot_seconds * SLOWER + NOISE_SECONDS
