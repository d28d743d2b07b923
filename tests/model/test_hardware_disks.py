"""One disk has many names; which of them say its serial, and which are the same disk's."""

import pytest

from hdinfra.model.hardware.disks import identities, serial_of
from hdinfra.model.hardware.spec import DiskSpec

BY_ID = "/dev/disk/by-id"


def disk(name: str, serial: str | None = None) -> DiskSpec:
    return DiskSpec(path=f"{BY_ID}/{name}", serial=serial, size_mib=4_096)


@pytest.mark.parametrize(
    ("name", "serial"),
    [
        ("ata-Samsung_SSD_870_EVO_1TB_S5Y1NX0T123456W", "S5Y1NX0T123456W"),
        ("ata-WDC_WD40EFRX-68N32N0_WD-WCC7K0123456", "WD-WCC7K0123456"),
        ("nvme-SAMSUNG_MZQL2960HCJR-00A07_S64FNE0R802101", "S64FNE0R802101"),
        ("nvme-SAMSUNG_MZQL2960HCJR-00A07_S64FNE0R802101_1", "S64FNE0R802101"),
        ("nvme-QEMU_NVMe_Ctrl_deadbeef", "deadbeef"),
        ("scsi-SATA_Samsung_SSD_870_S5Y1NX0T123456W", "S5Y1NX0T123456W"),
        ("scsi-0QEMU_QEMU_HARDDISK_one", "one"),
        ("virtio-disk-one", "disk-one"),
        ("wwn-0x5002538f42a1b2c3", None),
        ("scsi-35002538f42a1b2c3", None),
        ("nvme-eui.36344830582016610025384300000001", None),
        ("nvme-uuid.f81d4fae-7dec-11d0-a765-00a0c91e6bf6", None),
        ("nvme-nvme.1af4-64697363-51454d55-00000001", None),
    ],
)
def test_the_serial_in_a_name(name: str, serial: str | None) -> None:
    assert serial_of(disk(name)) == serial


def test_what_is_written_is_the_serial() -> None:
    assert serial_of(disk("wwn-0x5002538f42a1b2c3", "S5Y1NX0T123456W")) == "S5Y1NX0T123456W"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (disk("wwn-0x5002538f42a1b2c3"), disk("scsi-35002538F42A1B2C3")),
        (disk("nvme-MODEL_S64"), disk("nvme-MODEL_S64_1")),
        (disk("ata-MODEL_S5Y1"), DiskSpec(serial="s5y1", size_mib=4_096)),
        (disk("ata-MODEL_S5Y1"), disk("wwn-0x5002538f42a1b2c3", "S5Y1")),
    ],
)
def test_one_disk_by_two_names(one: DiskSpec, other: DiskSpec) -> None:
    assert identities(one) & identities(other)


def test_two_disks() -> None:
    names = ("ata-MODEL_S5Y1", "ata-MODEL_S5Y2", "wwn-0x5002538f42a1b2c3", "wwn-0x5002538f42a1b2c4", "virtio-S5Y3")
    found = [identities(disk(name)) for name in names]
    assert sum(map(len, found)) == len(frozenset().union(*found)) == len(names)
