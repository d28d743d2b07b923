"""Machines whose systemd runs, for what only systemd can show."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from hdinfra.machine.cloud_init import all_files
from hdinfra.machine.machine import Machine
from hdinfra.plugins.kind import Call
from hdinfra.plugins.local import container
from hdinfra.plugins.local.builder import ensure_image
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.limits import ulimits
from tests.machine.debian import LABEL, Debian
from tests.machine.sync_stack import eventually


@contextmanager
def booted(engine: Engine, machine: Machine) -> Iterator[Debian]:
    """One with the role's base files, no network but its loopback, and nothing of its own started."""
    prepared = {} if engine.facts.podman else container._docker_for_systemd(engine)
    place = Debian(
        engine.client.containers.run(
            ensure_image(engine, machine.packages, Call()),
            ["/sbin/init"],
            name=f"hdtest-machine-{uuid.uuid4().hex[:12]}",
            labels={LABEL: str(os.getpid())},
            cap_add=["NET_ADMIN", "SYS_ADMIN"],
            network_mode="none",
            environment=container._environment(engine),
            volumes=prepared.pop("binds", []),
            ulimits=ulimits(engine.url),
            detach=True,
            **prepared,
        ),
        machine,
    )
    try:
        eventually(lambda: place.run("systemctl", "is-system-running")[1].strip() in ("running", "degraded"), 60)
        for mode in (0o644, 0o755):
            place.put({file.path: file.content for file in all_files(machine) if file.mode == mode}, mode)
        # As at a first boot: packages' units stop until the base files are there.
        place.run("systemctl", "stop", *(unit.name for unit in machine.units if unit.drop_in is not None))
        place.run("mkdir", "-p", "/var/lib/hdinfra", "/etc/hdinfra/policy/haproxy")
        place.run("systemctl", "daemon-reload")
        yield place
    finally:
        place.container.remove(force=True)
