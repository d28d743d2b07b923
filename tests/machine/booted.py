"""Machines whose systemd runs, for what only systemd can show."""

from collections.abc import Iterator
from contextlib import contextmanager

from hdinfra.machine.cloud_init import all_files
from hdinfra.machine.machine import Machine
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian, booted_container


@contextmanager
def booted(engine: Engine, machine: Machine) -> Iterator[Debian]:
    """One with the role's base files, no network but its loopback, and nothing of its own started."""
    place = Debian(booted_container(engine, machine.packages), machine)
    try:
        for mode in (0o644, 0o755):
            place.put({file.path: file.content for file in all_files(machine) if file.mode == mode}, mode)
        # As at a first boot: packages' units stop until the base files are there.
        place.run("systemctl", "stop", *(unit.name for unit in machine.units if unit.drop_in is not None))
        place.run("mkdir", "-p", "/var/lib/hdinfra", "/etc/hdinfra/policy/haproxy")
        place.run("systemctl", "daemon-reload")
        yield place
    finally:
        place.container.remove(force=True)
