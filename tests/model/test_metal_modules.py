"""What the installer loads before its root is open: each driver after all that it needs, named or not."""

from collections.abc import Sequence

import pytest

from hdinfra.operate.metal_root import early_modules

# As Debian's kernels have it (6.12): the generic one has as modules what the cloud one has built in.
GENERIC = """\
kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/fs/mbcache.ko.xz kernel/lib/crc16.ko.xz
kernel/fs/jbd2/jbd2.ko.xz:
kernel/fs/mbcache.ko.xz:
kernel/lib/crc16.ko.xz:
kernel/crypto/crc32c_generic.ko.xz:
kernel/fs/isofs/isofs.ko.xz: kernel/drivers/cdrom/cdrom.ko.xz
kernel/drivers/cdrom/cdrom.ko.xz:
kernel/drivers/block/loop.ko.xz:
kernel/fs/overlayfs/overlay.ko.xz:
kernel/fs/squashfs/squashfs.ko.xz:
kernel/drivers/net/tun.ko.xz:
"""
IN_CLOUD = ("crc32c_generic", "ext4", "jbd2", "mbcache", "crc16")


def names(paths: Sequence[str]) -> list[str]:
    return [path.rpartition("/")[2].partition(".")[0] for path in paths]


def test_every_one_comes_after_what_it_needs_and_nothing_else_comes() -> None:
    order = names(early_modules(GENERIC, ""))
    assert order.index("ext4") > max(order.index(name) for name in ("jbd2", "mbcache", "crc16"))
    assert order.index("isofs") > order.index("cdrom")
    assert len(order) == len(set(order)) and "tun" not in order


def test_what_ext4_asks_for_by_its_deed_alone_comes_before_it() -> None:
    order = names(early_modules(GENERIC, ""))
    assert order.index("crc32c_generic") < order.index("ext4")


def test_what_a_kernel_has_built_in_is_not_loaded() -> None:
    dep = "".join(line for line in GENERIC.splitlines(keepends=True) if not any(f"/{one}." in line for one in IN_CLOUD))
    builtin = "".join(f"kernel/somewhere/{name}.ko\n" for name in IN_CLOUD)
    assert set(names(early_modules(dep, builtin))) == {"cdrom", "isofs", "loop", "overlay", "squashfs"}


@pytest.mark.parametrize("lost", ["crc32c_generic", "loop", "squashfs"])
def test_a_kernel_without_them_is_refused_by_name(lost: str) -> None:
    dep = "".join(line for line in GENERIC.splitlines(keepends=True) if f"/{lost}." not in line)
    with pytest.raises(LookupError, match=lost):
        early_modules(dep, "")
