"""What a server of one's own has besides, read by the programs that it is for."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hdinfra.machine.cloud_init import all_files
from hdinfra.machine.machine import Machine
from hdinfra.machine.metal.disks import fstab, mdadm_conf
from hdinfra.machine.metal.links import link_files
from hdinfra.machine.metal.profile import on_metal, profile_digest
from hdinfra.machine.metal.server_file import SERVER_PATH
from hdinfra.machine.roles import ROLES, machine_of
from hdinfra.model.server import Bonding
from hdinfra.plugins.local.engine import Engine
from hdinfra.protocol.boot_loader import GRUB_INSTALL
from tests.machine.debian import Debian, planned
from tests.machine.metal_server import did, metal, metal_debian, said, server
from tests.machine.sync_stack import eventually

MODULES = "/usr/lib/grub/x86_64-efi"


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    with metal_debian(engine) as found:
        yield found


def text(machine: Machine, path: str) -> str:
    """What that file holds."""
    (found,) = (file.content for file in all_files(machine) if file.path == path)
    return found


@pytest.mark.parametrize("role", sorted(ROLES))
def test_every_app_runs_on_it_as_it_is(role: str) -> None:
    anywhere = machine_of("india", planned(role))
    here = on_metal(anywhere, server())
    assert (here.firewall, here.health, here.identity) == (anywhere.firewall, anywhere.health, anywhere.identity)
    assert set(anywhere.files) < set(here.files) and set(anywhere.units) < set(here.units)
    assert set(anywhere.packages) < set(here.packages)
    assert len({file.path for file in all_files(here)}) == len(all_files(here))


def test_its_profile_is_another_when_anything_of_it_is() -> None:
    machine = machine_of("india", planned("waf"))
    plan = server()
    others = (
        on_metal(replace(machine, sysctls={}), plan),
        on_metal(machine, replace(plan, name="rack1-srv2")),
        on_metal(machine, replace(plan, bonding=Bonding.LACP)),
        on_metal(machine_of("india", planned("waf", "c1-shop-2")), plan),
    )
    digests = {profile_digest(one) for one in (on_metal(machine, plan), *others)}
    assert len(digests) == 1 + len(others) and all(re.fullmatch("[0-9a-f]{64}", one) for one in digests)
    assert profile_digest(on_metal(machine, plan)) == profile_digest(on_metal(machine, server()))


def test_a_unit_of_a_package_as_it_is_gets_no_file() -> None:
    paths = {file.path for file in all_files(metal())}
    assert not {path for path in paths if "fstrim" in path}
    assert "fstrim.timer" in text(metal(), "/etc/hdinfra/units")


def unmasked(place: Debian) -> None:
    """The container masks what would fight with its engine for the network."""
    place.run("sh", "-c", "cd /etc/systemd/system && find . -lname /dev/null -delete")


def test_the_first_boot_enables_what_watches_disks(place: Debian) -> None:
    """By boot.sh's own line, from units that nothing enables."""
    unmasked(place)
    watching = "mdcheck_start.timer mdcheck_continue.timer smartmontools.service fstrim.timer"
    script = text(place.machine, "/usr/lib/hdinfra/boot.sh").splitlines()
    (enable,) = (line for line in script if "-q enable" in line and "/etc/hdinfra/units" in line)
    look = f"for unit in {watching}; do systemctl --root=/ is-enabled $unit || true; done"
    did(place, f"systemctl --root=/ -q disable {watching}")
    assert set(did(place, look).split()) == {"disabled"}
    did(place, f'systemctl() {{ command systemctl --root=/ "$@"; }}; {enable}')
    assert did(place, look).split() == ["enabled"] * 4
    rule = did(place, "cat /usr/lib/udev/rules.d/63-md-raid-arrays.rules")
    assert 'SYSTEMD_WANTS}+="mdmonitor.service"' in rule, "with the first array"


def test_mdadms_monitor_has_somebody_to_tell(place: Debian) -> None:
    """Without arrays it calls nobody, so that it would is seen from what it says where the line is missing. That the
    kernel's arrays make it call is for tests/metal."""
    watch = "timeout 60 mdadm --monitor --scan --oneshot --config"
    assert "alert command" not in said(place, f"{watch}=/etc/mdadm/mdadm.conf")[1]
    place.put({"/tmp/mute.conf": mdadm_conf(server()).replace("PROGRAM", "# ")})
    assert "No mail address or alert command" in said(place, f"{watch}=/tmp/mute.conf")[1]


def test_systemd_takes_the_units(place: Debian) -> None:
    unmasked(place)
    names = [unit.name for unit in place.machine.units]
    assert did(place, f"systemd-analyze verify --man=no {' '.join(names)}") == ""


@pytest.mark.parametrize("bonding", list(Bonding))
def test_networkd_takes_every_key_of_the_links(place: Debian, bonding: Bonding) -> None:
    links = {file.path: file.content for file in link_files(server(bonding)) if "/systemd/" in file.path}
    place.put(links)
    words = networkd(place)
    taken = set(re.findall(r"^(/etc/systemd/network/\S+): Successfully loaded", words, re.MULTILINE))
    assert taken == {path for path in links if not path.endswith(".link")}, words
    assert re.findall(r"/etc/systemd/network/\S+:\d+:.*", words) == []


def test_networkd_would_tell_of_a_key_that_it_does_not_know(place: Debian) -> None:
    path = "/etc/systemd/network/90-wrong.network"
    place.put({path: "[Match]\nName=nothing\n[Network]\nBonds=bond0\n"})
    words = networkd(place)
    place.run("rm", path)
    assert f"{path}:4: Unknown key 'Bonds'" in words


def networkd(place: Debian) -> str:
    """What the real daemon says until it has read its files; as who it runs as, so that it drops no privileges."""
    who = "setpriv --reuid=systemd-network --regid=systemd-network --clear-groups"
    words = did(
        place,
        "install -d -o systemd-network /run/systemd/netif && export SYSTEMD_LOG_LEVEL=debug SYSTEMD_LOG_TARGET=console;"
        f"{who} timeout 30 /usr/lib/systemd/systemd-networkd 2>&1 | sed '/^Loaded\\./q'",
    )
    assert "\nLoaded." in words
    return words


def test_udev_takes_names_and_rules(place: Debian) -> None:
    did(place, "udevadm verify /etc/udev/rules.d/70-hdinfra-smartd.rules")
    words = said(place, "SYSTEMD_LOG_LEVEL=debug udevadm test-builtin net_setup_link /sys/class/net/lo")[1]
    assert 'Parsed configuration file "/etc/systemd/network/10-lan0.link"' in words
    assert not re.findall(r"/etc/systemd/network/\S+:\d+:.*", words)


def test_smartd_takes_its_configuration(place: Debian) -> None:
    code, words = said(place, "smartd -q onecheck -c /etc/smartd.conf")
    # 17: nothing to look after in a container; a line that it does not take ends with 2.
    assert code in (0, 17), words
    assert "was parsed, found DEVICESCAN" in words


def test_mdadm_takes_its_configuration(place: Debian) -> None:
    look = "mdadm --detail --scan --verbose --config"
    assert did(place, f"{look}=/etc/mdadm/mdadm.conf") == ""
    place.put({"/tmp/wrong.conf": mdadm_conf(server()) + "ARRAYS /dev/md/root\n"})
    assert "Unknown keyword" in said(place, f"{look}=/tmp/wrong.conf")[1]


def test_the_initramfs_has_the_arrays_of_the_system_and_no_others(place: Debian) -> None:
    given = "ARRAY /dev/md/root UUID=bead5eb6:31c17a27:da120ba2:7dfda40d\n"
    place.put({"/etc/mdadm/mdadm.conf.d/arrays.conf": given, "/tmp/initrd/etc/mdadm/mdadm.conf": "of disks seen\n"})
    hook = "/etc/initramfs-tools/hooks/hdinfra-arrays"
    assert did(place, f"DESTDIR=/tmp/initrd {hook}") == ""
    assert did(place, "cat /tmp/initrd/etc/mdadm/mdadm.conf") == mdadm_conf(server()) + given
    assert did(place, f"{hook} prereqs") == "mdadm\n"
    did(place, "rm -r /etc/mdadm/mdadm.conf.d /tmp/initrd")


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ("note-mdadm DegradedArray /dev/md127", "note mdadm DegradedArray /dev/md127"),
        ("note-mdadm Fail /dev/md127 /dev/sda4", "note mdadm Fail /dev/md127 /dev/sda4"),
        ("note-smartd", "note smartd /dev/sda"),
    ],
)
def test_both_monitors_tell_hdraid(place: Debian, event: str, told: str) -> None:
    place.put({"/usr/local/sbin/hdraid": '#!/bin/sh\necho "$@" $SMARTD_DEVICE\n'}, 0o755)
    device = "export SMARTD_DEVICE=/dev/sda; " if "smartd" in event else ""
    assert did(place, f"{device}/usr/lib/hdinfra/{event}") == f"{told}\n"
    for configured in ("/etc/mdadm/mdadm.conf", "/etc/smartd.conf"):
        program = re.findall(r"/usr/lib/hdinfra/note-\w+", text(place.machine, configured))
        did(place, f"test -x {' '.join(program)}")


def test_fstab_boots_without_any_esp(place: Debian) -> None:
    given = fstab("1d6b2b80-0000-4000-8000-000000000001", "1d6b2b80-0000-4000-8000-000000000002", "1d6b2b80-3")
    place.put({"/tmp/fstab": given})
    assert "0 parse errors" in said(place, "findmnt --verify --verbose --tab-file /tmp/fstab")[1]
    (esp,) = (line.split() for line in given.splitlines() if "/boot/efi" in line)
    assert esp[0] == "LABEL=ESP" and "nofail" in esp[3].split(",") and "device-timeout" not in esp[3]


def test_the_server_file_says_what_the_plan_says() -> None:
    plan = replace(server(), spare_disks=server().disks[:1])
    found = json.loads(text(on_metal(machine_of("india", planned("waf")), plan), SERVER_PATH))
    assert found["disks"] == [{"serial": "S1AAA", "mib": 228_936}, {"serial": "S2BBB", "mib": 228_936}]
    assert found["spare_disks"] == found["disks"][:1]
    assert found["network"]["gateway6"] == "fe80::1" and found["bonding"] == "active-backup"
    assert set(found) == {
        *("name", "disks", "spare_disks", "links", "bonding", "network", "esp_mib", "boot_mib", "swap_mib")
    }


PROBE = """\
#!/bin/sh
for word; do case $last in -t) what=$word ;; esac; last=$word; case $word in --target=*) what=${word#*=} ;; esac; done
case $what in
    device) echo /dev/md127 ;;
    fs) echo ext2 ;;
    fs_uuid) echo 1d6b2b80-0000-4000-8000-000000000001 ;;
    partmap) echo gpt ;;
    abstraction) echo diskfilter mdraid1x ;;
    compatibility_hint) echo mduuid/0 ;;
    *) echo "(mduuid/0)" ;;
esac
"""


def closure(names: Iterable[str], dependencies: str) -> set[str]:
    """Those modules and what they need, by GRUB's own table."""
    needs = {name: rest.split() for name, _, rest in (line.partition(":") for line in dependencies.splitlines())}
    found = set(names)
    while more := {need for name in found for need in needs[name]} - found:
        found |= more
    return found


def test_grubs_menu_waits_for_nobody_and_asks_for_no_module_outside_the_loader(place: Debian) -> None:
    """The real menu, of a system whose disks are told by a stand-in: a container has none that GRUB could see."""
    place.put({"/usr/sbin/grub-probe": PROBE}, 0o755)
    place.put({f"/boot/{name}-6.12.0-amd64": "" for name in ("vmlinuz", "initrd.img")})
    did(place, "mkdir -p /boot/grub && grub-mkconfig -o /tmp/grub.cfg && grub-script-check /tmp/grub.cfg")
    menu = did(place, "cat /tmp/grub.cfg")
    assert set(re.findall(r"set timeout=(\S+)", menu)) == {"0"}
    (kernel,) = set(re.findall(r"linux\s+\S+ root=\S+ (?:ro|rw)(?! single)\s+(.*)", menu))
    assert {"console=ttyS0,115200n8", "panic=10", "fsck.repair=yes"} <= set(kernel.split())
    inside = closure(GRUB_INSTALL[-1].removeprefix("--modules=").split(), did(place, f"cat {MODULES}/moddep.lst"))
    there = {Path(name).stem for name in did(place, f"cd {MODULES} && ls *.mod").split()}
    asked = {*re.findall(r"insmod (\w+)", menu), "normal"} & there  # others are those of other firmware
    assert {"gzio", "part_gpt", "ext2"} <= asked <= inside, asked - inside
    assert {"diskfilter", "mdraid1x"} <= inside
    assert inside <= there, inside - there
    # A name would have the package run grub-install by itself (its postinst, case configure).
    named = did(
        place, 'for x in /etc/default/grub /etc/default/grub.d/*.cfg; do . "$x"; done; echo "[$GRUB_DISTRIBUTOR]"'
    )
    assert named == "[]\n"
    postinst = did(place, "cat /var/lib/dpkg/info/grub-efi-amd64.postinst")
    assert 'if [ "$bootloader_id" ] && [ -e "/boot/grub/$target/core.efi" ]' in postinst


def test_the_firewall_lets_through_what_a_link_asks_of_its_neighbours(place: Debian) -> None:
    """Duplicate address detection both ways; LACP and ARP are no IP, and no table of ours sees them."""
    rules = text(place.machine, "/etc/hdinfra/firewall.nft")
    assert set(re.findall(r"^table (\S+)", rules, re.MULTILINE)) == {"inet"}
    did(place, "mkdir -p /etc/hdinfra/first /etc/hdinfra/policy/firewall && nft -f /etc/hdinfra/firewall.nft")
    did(place, "ip link add lan0 type veth peer name lan1 && ip link set lan0 up && ip link set lan1 up")
    did(place, "ip -6 address add 2001:db8::10/64 dev lan0")
    eventually(lambda: "tentative" not in did(place, "ip -6 address show dev lan0"), 60)
    assert "2001:db8::10/64" in did(place, "ip -6 address show dev lan0")
    did(place, "ip -6 address add 2001:db8::10/64 dev lan1")
    eventually(lambda: "dadfailed" in did(place, "ip -6 address show dev lan1"), 60)
