"""What tests look at in a server of the rig: its mirrors, its EFI system partitions, its disks."""

import json

from tests.metal.guest import Guest

_ARRAYS = ("boot", "swap", "root")
WHOLE, DEGRADED = dict.fromkeys(_ARRAYS, "UU"), dict.fromkeys(_ARRAYS, "U_")
"""As `mirrors` tells them."""
_ARRAY = """\
for name in boot swap root; do
    md=/sys/block/$(basename "$(readlink -f /dev/md/$name)")/md
    echo "$name $(cat $md/raid_disks) $(cat $md/degraded) $(cat $md/sync_action)"
done
"""
_ESPS = """\
mkdir -p /run/esp-look
for esp in $(lsblk --noheadings --list --paths --output NAME,PARTLABEL | awk '$2 == "esp" {print $1}'); do
    # The one that is in use is written to, and cannot be mounted to be read alone.
    mount -t vfat -o ro "$esp" /run/esp-look >/dev/null 2>&1 ||
        mount --bind "$(findmnt -nro TARGET -S "$esp")" /run/esp-look
    (cd /run/esp-look && find . -type f -exec sha256sum {} + | sort -k2 | sha256sum | cut -d' ' -f1)
    umount /run/esp-look
done
"""


def mirrors(place: Guest) -> dict[str, str]:
    """Each array as /proc/mdstat draws it: `UU`, or `U_` without a disk."""
    rows = [line.split() for line in place.must("sh", "-euc", _ARRAY).splitlines()]
    return {name: "U" * (int(of) - int(without)) + "_" * int(without) for name, of, without, _ in rows}


def syncing(place: Guest) -> bool:
    """Whether any is still made alike."""
    return any(line.split()[3] != "idle" for line in place.must("sh", "-euc", _ARRAY).splitlines())


def esps(place: Guest) -> list[str]:
    """A digest of all files of each EFI system partition."""
    return place.must("sh", "-euc", _ESPS).split()


def mounts(place: Guest) -> dict[str, str]:
    """Which array each file system, and swap, is on."""
    told = json.loads(place.must("findmnt", "--json", "--real", "--output", "TARGET,SOURCE", "--list"))
    found = {one["target"]: one["source"] for one in told["filesystems"]}
    swap = place.must("swapon", "--noheadings", "--show=NAME").split()
    return {**found, **({"swap": swap[0]} if swap else {})}


def problems(place: Guest) -> list[str]:
    """What the server itself says is wrong with its disks, as it tells its Zone."""
    found: list[str] = json.loads(place.must("hdraid", "status", "--json", seconds=240))["problems"]
    return found
