"""What installers that are not ours are told. debconf and shells read it, strict parsers of their documented languages,
and stand-ins run the scripts; no real run of either installer stands behind it (docs/bare-metal.md)."""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdinfra.machine.first_boot import sample_first_boot
from hdinfra.machine.metal.disks import FSTAB_ESP
from hdinfra.machine.metal.installimage import installimage
from hdinfra.machine.metal.order_at import OrderAt, finish_script
from hdinfra.machine.metal.preseed import preseed
from hdinfra.machine.metal.server_file import server_file
from hdinfra.model.server import LEAST_ROOT_MIB
from hdinfra.plugins.local.engine import Engine
from tests.machine import partman
from tests.machine.debian import Debian
from tests.machine.metal_server import did, metal_debian, said, server

AT = OrderAt("https://orders.example.test/rack1-srv1.tar?key=a%20b&x=1", "ab" * 32)


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    with metal_debian(engine) as found:
        yield found


def answers(text: str) -> dict[str, str]:
    """Question to answer, of all that an installer is told."""
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line and not line.startswith("#")]
    pairs = (re.fullmatch(r"\S+ (\S+) (\w+)(?:[ \t]+(.*))?", line) for line in lines)
    found = {match[1]: (match[3] or "").strip() for match in pairs if match}
    assert len(found) == len(lines), "a question twice, or a line that is no answer"
    return found


def test_debconf_takes_every_answer(place: Debian) -> None:
    place.put({"/tmp/preseed.cfg": preseed(server(), AT)})
    assert did(place, "debconf-set-selections --checkonly /tmp/preseed.cfg") == ""
    place.put({"/tmp/preseed.cfg": preseed(server(), AT) + "d-i partman/confirm\n"})
    assert said(place, "debconf-set-selections --checkonly /tmp/preseed.cfg")[0] != 0


@settings(deadline=None)  # a busy computer stops a test anywhere
@given(st.integers(64, 65_536), st.integers(300, 4_096), st.integers(64, 1_024), st.integers(2, 4))
def test_the_recipe_has_the_layout_on_every_disk(swap: int, boot: int, esp: int, count: int) -> None:
    disks = tuple(replace(server().disks[0], serial=f"S{number}") for number in range(count))
    plan = replace(server(), swap_mib=swap, boot_mib=boot, esp_mib=esp, disks=disks)
    told = answers(preseed(plan, AT))
    parts = partman.partitions(told["partman-auto/expert_recipe"])
    assert [part.specifiers.get("method") for part in parts] == ["efi", "raid", "raid", "raid"]
    for part, mib in zip(parts, (esp, boot, swap), strict=False):
        assert part.least == part.most
        assert 0 <= part.least * 1_000_000 - mib * 1_048_576 < 1_000_000
    assert parts[3].most is None and parts[3].least * 1_000_000 >= LEAST_ROOT_MIB * 1_048_576
    mirrors = partman.arrays(told["partman-auto-raid/recipe"])
    assert [(array.level, array.devices, array.spares) for array in mirrors] == [(1, count, 0)] * 3
    assert [(array.file_system, array.mount_point) for array in mirrors] == [
        ("ext4", "/boot"),
        ("swap", "-"),
        ("ext4", "/"),
    ]
    assert [array.members for array in mirrors] == [f"raidid={part.specifiers['raidid']}" for part in parts[1:]]


@pytest.mark.parametrize(
    "recipe",
    [
        "hdinfra : 1 1 1 raid .",
        "hdinfra :: 1 1 1 raid",
        "x :: 1 1 1 raid method {raid} .",
        "x :: 2 2 1 raid .",
        "x :: .",
    ],
)
def test_the_parser_refuses_what_is_no_recipe(recipe: str) -> None:
    with pytest.raises((SyntaxError, ValueError, IndexError)):
        partman.partitions(recipe)


LIST = '#!/bin/sh\n[ "$1" = disk ] && echo /dev/hdtest-a && echo /dev/hdtest-b\n'
UDEV = """\
#!/bin/sh
case "$*" in
    *hdtest-a) printf 'ID_SERIAL=Brand_S1AAA\\nID_SERIAL_SHORT=S1AAA\\n' ;;
    *hdtest-b) printf 'ID_SERIAL=S2BBB\\n' ;;
esac
"""
SET = '#!/bin/sh\necho "$@" >/tmp/debconf\n'
BLKID = "#!/bin/sh\n[ ! -e /tmp/holds ] || cat /tmp/holds\n"


def early(place: Debian, plan_serials: tuple[str, str] = ("S1AAA", "S2BBB"), shell: str = "sh") -> tuple[int, str]:
    """Run what the installer runs before it partitions, in a system whose disks are stand-ins."""
    tools = {
        "list-devices": LIST,
        "udevadm": UDEV,
        "debconf-set": SET,
        "blkid": BLKID,
        "logger": '#!/bin/sh\necho "$@"\n',
    }
    place.put({f"/tmp/d-i/{name}": text for name, text in tools.items()}, 0o755)
    plan = server()
    plan = replace(plan, disks=tuple(replace(d, serial=s) for d, s in zip(plan.disks, plan_serials, strict=True)))
    place.put({"/tmp/early": answers(preseed(plan, AT))["partman/early_command"]})
    return said(place, f'rm -f /tmp/debconf; PATH=/tmp/d-i:$PATH {shell} -c "$(cat /tmp/early)"')


def test_disks_are_found_by_serial_in_the_order_of_the_plan(place: Debian) -> None:
    assert early(place, ("S2BBB", "S1AAA")) == (0, "")
    assert did(place, "cat /tmp/debconf") == "partman-auto/disk /dev/hdtest-b /dev/hdtest-a\n"


def test_a_disk_that_is_not_there_stops_the_installer(place: Debian) -> None:
    code, words = early(place, ("S1AAA", "S9"))
    assert code != 0 and "no disk says that it is S9" in words
    assert said(place, "test -e /tmp/debconf")[0] != 0


def test_a_disk_that_holds_something_stops_the_installer(place: Debian) -> None:
    did(place, "echo 'TYPE=\"LVM2_member\"' >/tmp/holds")
    code, words = early(place)
    did(place, "rm /tmp/holds")
    assert code != 0 and "S1AAA holds something" in words
    assert said(place, "test -e /tmp/debconf")[0] != 0


def test_the_late_command_carries_the_whole_script(place: Debian) -> None:
    late = answers(preseed(server(), AT))["preseed/late_command"]
    (encoded,) = re.findall(r"printf %s (\S+) ", late)
    assert base64.b64decode(encoded).decode() == finish_script(AT)
    place.put({"/tmp/late": late, "/tmp/d-i/in-target": '#!/bin/sh\nprintf %s "$3"\n'}, 0o755)
    inner = did(place, "PATH=/tmp/d-i:$PATH sh /tmp/late")
    assert inner.endswith("sh /root/hdinfra-finish && rm /root/hdinfra-finish")


def config(script: str) -> list[list[str]]:
    """What installimage is told, but for the drives."""
    (text,) = re.findall(r"<<'END-OF-CONFIG'\n(.*?)END-OF-CONFIG", script, re.DOTALL)
    return [line.split(" ") for line in text.splitlines()]


def check_config(lines: list[list[str]]) -> None:
    """The rules of installimage's own documents and of `validate_vars`; AssertionError names the line."""
    single = {
        "SWRAID": r"[01]", "SWRAIDLEVEL": r"0|1|5|6|10", "FORCE_GPT": r"[12]", "BOOTLOADER": r"grub",
        "HOSTNAME": r"[a-z0-9.-]+", "TAKE_OVER_RESCUE_SYSTEM_SSH_PUBLIC_KEYS": r"yes|no",
        "IMAGE": r"/\S+-(?:64|amd64)-\S+\.tar\.gz", "DRIVE1": r"/dev/\S+", "DRIVE2": r"/dev/\S+",
    }  # fmt: skip
    keys = [line[0] for line in lines if line[0] != "PART"]
    assert len(keys) == len(set(keys)) and {"HOSTNAME", "IMAGE", "BOOTLOADER"} <= set(keys)
    for key, *values in lines:
        assert key == "PART" or re.fullmatch(single[key], " ".join(values)), (key, values)
    parts = [values for key, *values in lines if key == "PART"]
    points = [point for point, _, _ in parts]
    assert len(points) == len(set(points)) and "/" in points and points.index("/boot") < 3
    for number, (point, kind, size) in enumerate(parts, 1):
        assert re.fullmatch(r"/\S*|swap", point) and kind in ("ext4", "swap", "esp"), point
        assert size == "all" if number == len(parts) else re.fullmatch(r"[1-9]\d*M", size), (point, size)
        least = {"/boot": 200, "/boot/efi": 256, "/": 1500}.get(point, 1)
        assert size == "all" or int(size.removesuffix("M")) >= least, (point, size)
        assert (kind == "esp") == (point == "/boot/efi")


@settings(deadline=None)  # a busy computer stops a test anywhere
@given(st.integers(64, 65_536), st.integers(300, 4_096), st.integers(256, 1_024))
def test_installimage_is_told_the_same_layout(swap: int, boot: int, esp: int) -> None:
    found = config(installimage(replace(server(), swap_mib=swap, boot_mib=boot, esp_mib=esp), AT))
    check_config(found)
    parts = [line[1:] for line in found if line[0] == "PART"]
    assert parts == [
        ["/boot/efi", "esp", f"{esp}M"],
        ["/boot", "ext4", f"{boot}M"],
        ["swap", "swap", f"{swap}M"],
        ["/", "ext4", "all"],
    ]


@pytest.mark.parametrize(
    "wrong",
    [["PART", "/", "ext4", "all"], ["SWRAID", "2"], ["PART", "/srv", "ntfs", "10M"], ["IMAGE", "debian.iso"]],
)
def test_the_checker_refuses_what_installimage_would(wrong: list[str]) -> None:
    good = config(installimage(server(), AT))
    check_config(good)
    with pytest.raises(AssertionError):
        check_config([*good, wrong])


RESCUE = {
    "lsblk": "#!/bin/sh\nprintf '/dev/nvme0n1 S2BBB\\n/dev/sda S1AAA\\n/dev/sr0\\n'\n",
    "wipefs": "#!/bin/sh\n[ ! -e /tmp/holds ] || echo something\n",
    "installimage": '#!/bin/sh\necho "$1" >/tmp/ran; cp "$3" /tmp/config; cp "$5" /tmp/post-install; test -x "$5"\n',
}


def rescue(place: Debian) -> tuple[int, str]:
    """Run the script where a rescue system's programs are stand-ins."""
    place.put({f"/tmp/rescue/{name}": text for name, text in RESCUE.items()}, 0o755)
    place.put({"/tmp/install": installimage(server(), AT).replace("/sys/firmware/efi", "/tmp/rescue")})
    return said(place, "rm -f /tmp/ran; PATH=/tmp/rescue:$PATH bash /tmp/install")


def test_the_rescue_system_installs_onto_the_disks_of_these_serials(place: Debian) -> None:
    assert rescue(place) == (0, "")
    found = [line.split(" ") for line in did(place, "cat /tmp/config").splitlines()]
    check_config(found)
    assert found[:2] == [["DRIVE1", "/dev/sda"], ["DRIVE2", "/dev/nvme0n1"]]
    assert did(place, "cat /tmp/post-install") == finish_script(AT)
    assert did(place, "cat /tmp/ran") == "-a\n"


def test_the_rescue_system_refuses_disks_that_hold_something(place: Debian) -> None:
    did(place, "touch /tmp/holds")
    code, words = rescue(place)
    did(place, "rm /tmp/holds")
    assert code != 0 and "Nothing was changed" in words
    assert said(place, "test -e /tmp/ran")[0] != 0


FINISH = {
    "curl": """\
#!/bin/sh
while [ $# -gt 1 ]; do [ $1 = --output ] && cp /tmp/order.tar $2; shift; done
echo $1 >/tmp/url
""",
    "lsblk": """\
#!/bin/sh
case "$*" in
    *SERIAL*) printf '/dev/nvme0n1 S2BBB\\n/dev/sda S1AAA\\n' ;;
    */dev/sda1) printf '/dev/sda1 part\\n/dev/md0 raid1\\n' ;;
esac
""",
    "findmnt": '#!/bin/sh\n[ "$4" = / ] && echo /dev/md3 || echo /dev/md1\n',
    "blkid": "#!/bin/sh\nprintf '/dev/zram0\\n/dev/md2\\n'\n",
    "mdadm": '#!/bin/sh\n[ "$1" = --stop ] && echo "$0 $@" >>/tmp/did || echo "MD_UUID=uuid-of-${3#/dev/}"\n',
    **dict.fromkeys(
        (
            *("apt-get", "sgdisk", "wipefs", "mkfs.vfat", "mount", "umount", "grub-install", "update-initramfs"),
            *("update-grub", "systemctl"),
        ),
        '#!/bin/sh\necho "$0 $@" >>/tmp/did\n',
    ),
}
ESP_DONE = """\
sgdisk --typecode=1:ef00 --change-name=1:esp --change-name=2:boot --change-name=3:swap --change-name=4:root {disk}
{stop}wipefs --all --quiet {esp}
mkfs.vfat -F 32 -n ESP {esp}
mount {esp} /boot/efi
grub-install --target=x86_64-efi --efi-directory=/boot/efi --removable --no-nvram --no-floppy
umount /boot/efi
"""


def finished(place: Debian, at: OrderAt) -> tuple[int, str]:
    """Run it where all that would touch disks is a stand-in."""
    place.put({f"/usr/local/sbin/{name}": text for name, text in FINISH.items()}, 0o755)
    place.put({"/tmp/finish": finish_script(at), "/tmp/order/seed/user-data": "told\n"})
    place.put({"/tmp/order/root/etc/hdinfra/server.json": server_file(server()).content, "/tmp/order/server.json": ""})
    place.put(
        {"/tmp/order/root/etc/hdinfra/packages": "mdadm\n", "/etc/fstab": "UUID=1 / ext4\n/dev/md/0 /boot/efi x\n"}
    )
    did(place, "rm -f /tmp/did; tar -C /tmp/order --sort name --mtime @0 -cf /tmp/order.tar server.json seed root")
    code, words = said(place, "sh /tmp/finish")
    did(place, f"cd /usr/local/sbin && rm {' '.join(FINISH)}")
    return code, words


def test_the_installed_debian_becomes_the_machine(place: Debian) -> None:
    finished(place, AT)
    digest = did(place, "sha256sum /tmp/order.tar").split()[0]
    assert finished(place, replace(AT, sha256=digest)) == (0, "hdinfra: this server is ready for its first boot\n")
    assert did(place, "cat /tmp/url") == f"{AT.url}\n"
    assert did(place, "cat /etc/mdadm/mdadm.conf.d/arrays.conf") == "".join(
        f"ARRAY /dev/md/{name} metadata=1.2 UUID=uuid-of-md{number}\n"
        for number, name in enumerate(("boot", "swap", "root"), 1)
    )
    assert did(place, "cat /etc/fstab") == f"UUID=1 / ext4\n{FSTAB_ESP}\n"
    assert did(place, "cat /var/lib/cloud/seed/nocloud/user-data") == "told\n"
    done = did(place, "cat /tmp/did").replace("/usr/local/sbin/", "")
    stop = "mdadm --stop /dev/md0\n"
    assert ESP_DONE.format(disk="/dev/sda", esp="/dev/sda1", stop=stop) in done
    assert ESP_DONE.format(disk="/dev/nvme0n1", esp="/dev/nvme0n1p1", stop="") in done
    assert "mount /dev/sda1 /boot/efi\nupdate-initramfs -u -k all\nupdate-grub" in done


def test_an_order_that_is_not_the_one_is_not_unpacked(place: Debian) -> None:
    did(place, "rm -rf /var/lib/cloud/seed")
    code, words = finished(place, AT)
    assert code != 0 and "did NOT match" in words
    assert said(place, "test -e /var/lib/cloud/seed")[0] != 0 and said(place, "test -e /tmp/did")[0] != 0


def test_shells_take_every_script(place: Debian) -> None:
    place.put({"/tmp/finish": finish_script(AT), "/tmp/install": installimage(server(), AT)})
    did(place, "sh -n /tmp/finish && bash -n /tmp/install")


@pytest.mark.parametrize("url", ["http://x.test/o", "https://x.test/$(id)", "https://x.test/o'", "https://x.test/a b"])
def test_addresses_that_a_shell_would_read_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="https://"):
        OrderAt(url, "ab" * 32)
    with pytest.raises(ValueError, match="SHA-256"):
        OrderAt("https://x.test/o", "AB" * 32)


def test_no_secret_is_in_them() -> None:
    # They are given no more than where the order is; whoever adds a parameter sees this.
    told = sample_first_boot(["a"], control=False)
    for text in (preseed(server(), AT), installimage(server(), AT)):
        assert told.token not in text and "first-boot.json" not in text
        assert re.findall(r"password\S* (?:password|string) (.*)", text) in ([], ["!"])
