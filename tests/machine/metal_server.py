"""A server for tests, and a Debian with what its profile needs, but for the kernel: it is heavy and never runs here."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_interface

from hdinfra.machine.cloud_init import all_files
from hdinfra.machine.machine import Machine
from hdinfra.machine.metal.profile import on_metal
from hdinfra.machine.roles import machine_of
from hdinfra.model.server import Addresses, Bonding, Disk, Link, ServerPlan
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian, planned, start_container

IPV4_RESOLVER, IPV6_RESOLVER = ip_address("192.0.2.53"), ip_address("2001:db8::53")


def server(bonding: Bonding = Bonding.ACTIVE_BACKUP, name: str = "rack1-srv1") -> ServerPlan:
    """Two disks, two links, both families."""
    return ServerPlan(
        name=name,
        disks=(Disk("S1AAA", 228_936), Disk("S2BBB", 228_936)),
        links=(Link("52:54:00:00:00:01", "lan0"), Link("52:54:00:00:00:02", "lan1")),
        network=Addresses(
            ip_interface("192.0.2.10/24"),
            ip_address("192.0.2.1"),
            ip_interface("2001:db8::10/64"),
            ip_address("fe80::1"),
            (IPV4_RESOLVER, IPV6_RESOLVER),
        ),
        swap_mib=4096,
        bonding=bonding,
    )


def metal(role: str = "bundle-store", bonding: Bonding = Bonding.ACTIVE_BACKUP) -> Machine:
    """A Machine of that role on that server."""
    return on_metal(machine_of("india", planned(role)), server(bonding))


@contextmanager
def metal_debian(engine: Engine) -> Iterator[Debian]:
    """A container of its packages with its files."""
    machine = metal()
    heavy = {"linux-image-amd64"}
    container = start_container(engine, (*(name for name in machine.packages if name not in heavy), "apt-utils"))
    try:
        place = Debian(container, machine)
        # Bound by the engine, so they cannot be replaced.
        bound = {"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"}
        for mode in (0o644, 0o755):
            place.put({f.path: f.content for f in all_files(machine) if f.mode == mode and f.path not in bound}, mode)
        yield place
    finally:
        container.remove(force=True)


def said(place: Debian, script: str) -> tuple[int, str]:
    """Exit code and everything said, by way of a file: under load the engine loses what a short program says."""
    code, _ = place.run("bash", "-euc", f"{{ {script}\n}} >/tmp/said 2>&1")
    stream, _ = place.container.get_archive("/tmp/said")
    with tarfile.open(fileobj=io.BytesIO(b"".join(stream))) as archive:
        found = archive.extractfile("said")
        assert found is not None
        return code, found.read().decode()


def did(place: Debian, script: str) -> str:
    """What it said, for it went well."""
    code, words = said(place, script)
    assert code == 0, words
    return words
