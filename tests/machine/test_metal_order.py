"""An order carries the whole Machine: what the first boot finds on the disk, and what cloud-init is told."""

import json
from dataclasses import replace

import yaml

from hdinfra.machine.cloud_init import IDENTITY_PATH, all_files, cloud_config
from hdinfra.machine.first_boot import FIRST_BOOT_PATH, sample_first_boot
from hdinfra.machine.machine import File
from hdinfra.machine.metal.order import order
from hdinfra.machine.metal.profile import on_metal
from hdinfra.machine.metal.server_file import server_facts
from hdinfra.machine.roles import machine_of
from hdinfra.protocol.order import FRAME_BYTES, framed, unpacked
from tests.machine.debian import planned
from tests.machine.metal_server import server

SERVER = server()
WAF = on_metal(machine_of("india", planned("waf")), SERVER)
TOLD = (sample_first_boot(["a1", "a2", "a3"], control=False).file(),)


def test_everything_of_the_machine_is_there_with_its_mode() -> None:
    read, made = unpacked(order(WAF, TOLD, SERVER)), {IDENTITY_PATH, "/etc/fstab"}
    assert {path: (content.decode(), mode) for path, (content, mode) in read.laid.items() if path not in made} == {
        file.path: (file.content, file.mode) for file in (*all_files(WAF), *TOLD)
    }
    assert json.loads(read.laid[IDENTITY_PATH][0])["name"] == WAF.identity.name
    assert read.laid[FIRST_BOOT_PATH][1] == 0o600
    assert b"instance-id: c1-shop-1" in read.seed["meta-data"]


def test_cloud_init_does_all_but_write_what_lies_there() -> None:
    other = File("/srv/page", "hello", owner="www-data")
    machine = replace(WAF, files=(*WAF.files, other))
    told = yaml.safe_load(unpacked(order(machine, TOLD, SERVER)).seed["user-data"])
    everywhere = yaml.safe_load(cloud_config(machine, TOLD))
    assert [(file["path"], file["owner"]) for file in told.pop("write_files")] == [("/srv/page", "www-data:root")]
    assert told == {key: value for key, value in everywhere.items() if key != "write_files"}


def test_the_server_is_told_as_the_machine_will_read_it() -> None:
    read = unpacked(order(WAF, (), SERVER))
    assert read.server == server_facts(SERVER) == json.loads(read.laid["/etc/hdinfra/server.json"][0])


def test_file_systems_are_named_for_the_installer_to_fill_in() -> None:
    mounts = unpacked(order(WAF, (), SERVER)).laid["/etc/fstab"][0].decode()
    assert [line.split()[:2] for line in mounts.splitlines()] == [
        ["UUID=@root@", "/"],
        ["UUID=@boot@", "/boot"],
        ["UUID=@swap@", "none"],
        ["LABEL=ESP", "/boot/efi"],
    ]


def test_wiping_has_to_be_ordered() -> None:
    assert [unpacked(order(WAF, (), SERVER, wipe=wipe)).wipe for wipe in (False, True)] == [False, True]


def test_disks_to_overwrite_are_named_in_it_and_nothing_else_is_changed() -> None:
    plain = unpacked(order(WAF, TOLD, SERVER))
    assert plain.overwrite == () and plain.packed() == order(WAF, TOLD, SERVER)
    assert unpacked(replace(plain, overwrite=("S2", "S1")).packed()) == replace(plain, overwrite=("S1", "S2"))


def test_the_same_machine_is_the_same_order_and_the_longest_fits() -> None:
    assert order(WAF, TOLD, SERVER) == order(WAF, TOLD, replace(SERVER))
    assert len(order(WAF, TOLD, SERVER)) < FRAME_BYTES // 8, "what is left is for policies"
    assert framed(order(WAF, TOLD, SERVER))
