"""Disks as the kernel shows them under /sys: all that a tenant's files lie on have to know weights."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from hdinfra.agent.disks import weighted

BFQ, OTHER = "none mq-deadline [bfq]\n", "[none] mq-deadline bfq\n"


def shown(sysfs: Path, schedulers: Mapping[str, str], lies_on: str, slaves: tuple[str, ...] = ()) -> None:
    """Disks with their schedulers, and `lies_on` among them or beside them as the device of that folder's files."""
    for name, text in schedulers.items():
        (sysfs / "devices" / name / "queue").mkdir(parents=True)
        (sysfs / "devices" / name / "queue" / "scheduler").write_text(text)
    device = sysfs / "devices" / lies_on
    (device / "slaves").mkdir(parents=True, exist_ok=True)
    for name in slaves:
        (device / "slaves" / Path(name).name).symlink_to(sysfs / "devices" / name)
    number = sysfs.stat().st_dev
    (sysfs / "dev" / "block").mkdir(parents=True)
    (sysfs / "dev" / "block" / f"{os.major(number)}:{os.minor(number)}").symlink_to(device)


@pytest.mark.parametrize(("scheduler", "felt"), [(BFQ, True), (OTHER, False), ("none\n", False)])
def test_a_disk_knows_weights_under_bfq_alone(tmp_path: Path, scheduler: str, felt: bool) -> None:
    shown(tmp_path, {"sda": scheduler}, "sda")
    assert weighted(str(tmp_path), tmp_path) is felt


@pytest.mark.parametrize(("scheduler", "felt"), [(BFQ, True), (OTHER, False)])
def test_a_partition_is_as_its_disk(tmp_path: Path, scheduler: str, felt: bool) -> None:
    shown(tmp_path, {"sda": scheduler}, "sda/sda1")
    (tmp_path / "devices" / "sda" / "sda1" / "partition").write_text("1\n")
    assert weighted(str(tmp_path), tmp_path) is felt


@pytest.mark.parametrize(("second", "felt"), [(BFQ, True), (OTHER, False)])
def test_an_array_is_as_its_weakest_disk(tmp_path: Path, second: str, felt: bool) -> None:
    parts = ("sda/sda2", "sdb/sdb2")
    for part in parts:
        (tmp_path / "devices" / part).mkdir(parents=True)
        (tmp_path / "devices" / part / "partition").write_text("2\n")
    shown(tmp_path, {"sda": BFQ, "sdb": second}, "md0", slaves=parts)
    assert weighted(str(tmp_path), tmp_path) is felt


def test_where_no_disk_is_seen_none_knows_weights(tmp_path: Path) -> None:
    assert not weighted(str(tmp_path), tmp_path)
    assert not weighted(str(tmp_path / "gone"))
