"""Security updates and nothing else, within a day; and every ESP written whoever ran dpkg. Real apt, real packages that
this test makes, out of a mirror in a folder."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from hdinfra.agent.raid_watch import restart_due
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian
from tests.machine.metal_server import did, metal_debian

_STAND_IN = """\
#!/bin/sh
echo "$@" >>/var/log/hdraid
[ ! -e /tmp/no-esp ]
"""
_SUITES = {"trixie-security": "Debian-Security", "trixie": "Debian", "forky": "Debian"}
_MIRROR = """\
set -eu
deb() {
    mkdir -p /tmp/deb/DEBIAN "/srv/mirror/$3"
    printf 'Package: %s\\nVersion: %s\\nArchitecture: all\\n' $1 $2 >/tmp/deb/DEBIAN/control
    printf 'Maintainer: t <t@t.test>\\nDescription: t\\n' >>/tmp/deb/DEBIAN/control
    dpkg-deb -b /tmp/deb "/srv/mirror/$3/$1_$2.deb" >/dev/null
}
release() {
    cd "/srv/mirror/$1"
    apt-ftparchive packages . >Packages
    apt-ftparchive -o APT::FTPArchive::Release::Origin=Debian -o APT::FTPArchive::Release::Label=$2 \\
        -o APT::FTPArchive::Release::Suite=$1 -o APT::FTPArchive::Release::Codename=$1 release . >/tmp/Release
    mv /tmp/Release Release
}
"""


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    with metal_debian(engine) as found:
        found.put({"/usr/local/sbin/hdraid": _STAND_IN}, 0o755)
        found.put({"/tmp/mirror.sh": _MIRROR})
        lines = [f"deb [trusted=yes] file:/srv/mirror/{suite} ./\n" for suite in _SUITES]
        found.put({"/etc/apt/sources.list.d/debian.sources": "", "/etc/apt/sources.list": "".join(lines)})
        did(found, "mkdir -p /usr/lib/hdinfra/code /var/lib/hdinfra && touch /var/log/hdraid")
        published(found)
        yield found


def published(place: Debian, *packages: tuple[str, str, str]) -> None:
    """The mirror with these besides: name, version, suite."""
    made = "\n".join(f"deb {name} {version} {suite}" for name, version, suite in packages)
    releases = "\n".join(f"mkdir -p /srv/mirror/{suite}; release {suite} {label}" for suite, label in _SUITES.items())
    did(place, f". /tmp/mirror.sh\n{made}\n{releases}")


def installed(place: Debian, name: str) -> str:
    """Its version."""
    return did(place, f"dpkg-query -W -f '${{Version}}' {name}")


def written(place: Debian) -> int:
    """How often all ESPs were, with a boot loader made anew."""
    return did(place, "cat /var/log/hdraid").splitlines().count("esp --renew")


def test_a_kernel_that_was_installed_waits_for_a_restart_and_that_is_said(place: Debian, tmp_path: Path) -> None:
    """Debian's own hook, as dpkg calls it for each kernel."""
    assert restart_due(tmp_path) == {}
    kernel = "linux-image-6.12.48+deb13-amd64"
    call = f"DPKG_MAINTSCRIPT_PACKAGE={kernel} DPKG_MAINTSCRIPT_NAME=postinst"
    did(place, f"{call} /etc/kernel/postinst.d/unattended-upgrades 6.12.48+deb13-amd64")
    (tmp_path / "run").mkdir()
    for name in did(place, "ls /run").split():
        if name.startswith("reboot-required"):
            (tmp_path / "run" / name).write_text(did(place, f"cat /run/{name}"))
    assert f"for {kernel}: `systemctl reboot`" in restart_due(tmp_path)["restart"]


def test_security_updates_come_and_other_versions_do_not(place: Debian) -> None:
    names = ("hd-mended", "hd-newer", "hd-next")
    published(place, *((name, "1.0", "trixie") for name in names))
    did(place, f"apt-get -q update && apt-get -q -y install {' '.join(names)}")
    published(
        place,
        ("hd-mended", "1.0+deb13u1", "trixie-security"),
        ("hd-newer", "1.1", "trixie"),
        ("hd-next", "2.0", "forky"),
    )
    # What the two timers start.
    did(place, "/usr/lib/apt/apt.systemd.daily update && /usr/lib/apt/apt.systemd.daily install")
    found = {name: installed(place, name) for name in names}
    assert found == {"hd-mended": "1.0+deb13u1", "hd-newer": "1.0", "hd-next": "1.0"}
    # Had they been asked for, they would have come: the mirror has them.
    assert "hd-newer" in did(place, "apt-get -q -s dist-upgrade | grep ^Inst")


@pytest.mark.parametrize(
    ("way", "version"),
    [
        ("dpkg -i /srv/mirror/trixie-security/grub-hdtest_2.deb", "2"),
        ("apt-get -q update && apt-get -q -y install --only-upgrade grub-hdtest", "3"),
        ("/usr/lib/apt/apt.systemd.daily update && /usr/lib/apt/apt.systemd.daily install", "4"),
    ],
    ids=["dpkg", "apt", "unattended-upgrades"],
)
def test_every_way_to_a_new_bootloader_ends_at_all_esps(place: Debian, way: str, version: str) -> None:
    before = str(int(version) - 1)
    published(place, ("grub-hdtest", before, "trixie-security"))
    did(place, f"dpkg -i --force-downgrade /srv/mirror/trixie-security/grub-hdtest_{before}.deb")
    published(place, ("grub-hdtest", version, "trixie-security"))
    times = written(place)
    did(place, way)
    assert installed(place, "grub-hdtest") == version
    assert written(place) == times + 1
    assert did(place, "tail -n 1 /var/log/hdraid") == "esp --renew\n"
    did(place, "/usr/lib/hdinfra/esp")
    assert written(place) == times + 1


def test_other_packages_leave_the_esps_alone(place: Debian) -> None:
    did(place, "/usr/lib/hdinfra/esp")
    times = written(place)
    published(place, ("hd-other", "1.0", "trixie"))
    did(place, "dpkg -i /srv/mirror/trixie/hd-other_1.0.deb")
    assert written(place) == times


def test_what_failed_breaks_no_upgrade_and_is_done_again_at_boot(place: Debian) -> None:
    published(place, ("grub-hdtest", "9", "trixie-security"))
    did(place, "touch /tmp/no-esp; dpkg -i /srv/mirror/trixie-security/grub-hdtest_9.deb; rm /tmp/no-esp")
    times = written(place)
    start = did(place, "sed -n 's/^ExecStart=-//p' /etc/systemd/system/hdinfra-esp.service")
    did(place, start)
    assert written(place) == times + 1


def test_half_a_bootloader_is_left_alone_until_it_is_whole(place: Debian) -> None:
    did(place, "/usr/lib/hdinfra/esp")
    published(place, ("grub-hdtest", "10", "trixie-security"))
    times = written(place)
    did(place, "dpkg --unpack /srv/mirror/trixie-security/grub-hdtest_10.deb")
    assert written(place) == times
    did(place, "dpkg --configure -a")
    assert written(place) == times + 1


def test_what_is_published_is_installed_within_a_day_even_if_the_mirror_is_out_once(place: Debian) -> None:
    fetches, installs = (timer(place, name) for name in ("apt-daily", "apt-daily-upgrade"))
    assert worst(fetches, installs, failures=0) == timedelta(hours=11)
    assert worst(fetches, installs, failures=1) < timedelta(hours=24)


Timer = tuple[list[datetime], timedelta]


def timer(place: Debian, name: str) -> Timer:
    """When it is due, and by how much later it may run."""
    text = did(place, f"cat /etc/systemd/system/{name}.timer.d/50-hdinfra.conf")
    (calendar,) = re.findall(r"^OnCalendar=(.+)$", text, re.MULTILINE)
    (hours,) = re.findall(r"^RandomizedDelaySec=(\d+)h$", text, re.MULTILINE)
    said = did(place, f"TZ=UTC systemd-analyze calendar --iterations 30 '{calendar}'")
    found = re.findall(r"(?:elapse|#\d+): \w+ (\S+ \S+) UTC", said)
    return [datetime.fromisoformat(when) for when in found], timedelta(hours=int(hours))


def worst(fetches: Timer, installs: Timer, failures: int) -> timedelta:
    """Published just after a fetch that came as early as it may; then everything comes as late as it may."""
    longest = timedelta()
    for position, published_at in enumerate(fetches[0][: len(fetches[0]) // 2]):
        fetched = fetches[0][position + 1 + failures] + fetches[1]
        due = next(when for when in installs[0] if when > fetched)
        longest = max(longest, due + installs[1] - published_at)
    return longest
