"""Debian 13 with a role's packages and base files: rendered files are read by the real programs."""

import io
import os
import tarfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from docker.models.containers import Container

from hdinfra.machine.bundle import Bundle, bundle_of
from hdinfra.machine.cloud_init import all_files
from hdinfra.machine.machine import Machine
from hdinfra.model.plan import MachinePlan, Size
from hdinfra.model.spec import Provider
from hdinfra.plugins.kind import Call
from hdinfra.plugins.local.builder import ensure_image
from hdinfra.plugins.local.container import _docker_for_systemd, _environment
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.limits import ulimits
from tests.machine.sync_stack import eventually

LABEL = "hdinfra.test.machine"


def planned(role: str, name: str = "c1-shop-1") -> MachinePlan:
    """A plan of this role; nothing but role and name matters to what is rendered."""
    return MachinePlan(name, "c1", role, Provider.LOCAL, "r1", "op1", Size("s", 1, 512, 0.0), None, None)


@dataclass(frozen=True)
class Debian:
    """A running Debian with one role's base."""

    container: Container
    machine: Machine

    def put(self, files: Mapping[str, str], mode: int = 0o644) -> None:
        """Write files at their absolute paths."""
        lay_files(self.container, files, mode)

    def run(self, *argv: str) -> tuple[int, str]:
        """Exit code and everything said, within a minute."""
        code, words = self.container.exec_run(["timeout", "60", *argv])
        return code, words.decode()

    def policy(self, files: Mapping[str, str]) -> None:
        """The policy's files, and no others."""
        self.run("sh", "-c", "rm -rf /etc/hdinfra/policy && mkdir -p /etc/hdinfra/policy/haproxy")
        self.put(files)


def reap(engine: Engine) -> None:
    """What a killed run left: its process is gone."""
    for container in engine.client.containers.list(all=True, filters={"label": LABEL}):
        if not _alive(container.labels[LABEL]):
            container.remove(force=True)
    for network in engine.client.networks.list(filters={"label": LABEL}):
        if not _alive(network.attrs["Labels"][LABEL]):
            network.remove()


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    return True


def start_container(engine: Engine, packages: Sequence[str]) -> Container:
    """An idle Debian with these packages and no network but its own loopback."""
    return engine.client.containers.run(
        ensure_image(engine, packages, Call()),
        ["sleep", "infinity"],
        name=f"hdtest-machine-{uuid.uuid4().hex[:12]}",
        labels={LABEL: str(os.getpid())},
        cap_add=["NET_ADMIN"],
        network_mode="none",
        ulimits=ulimits(engine.url),
        detach=True,
    )


def booted_container(
    engine: Engine,
    packages: Sequence[str],
    files: Mapping[str, str] = MappingProxyType({}),
    network: str = "none",
) -> Container:
    """A Debian with these packages whose systemd runs, without a network unless one is named; `files` lie there before
    it boots."""
    prepared = {} if engine.facts.podman else _docker_for_systemd(engine)
    made = engine.client.containers.create(
        ensure_image(engine, packages, Call()),
        ["/sbin/init"],
        name=f"hdtest-machine-{uuid.uuid4().hex[:12]}",
        labels={LABEL: str(os.getpid())},
        cap_add=["NET_ADMIN", "SYS_ADMIN"],
        network_mode=network,
        environment=_environment(engine),
        volumes=prepared.pop("binds", []),
        ulimits=ulimits(engine.url),
        **prepared,
    )
    try:
        if files:
            lay_files(made, files)
        made.start()
        eventually(lambda: _is_up(made), 60)
    except BaseException:
        made.remove(force=True)
        raise
    return made


def _is_up(made: Container) -> bool:
    return made.exec_run(["systemctl", "is-system-running"])[1].decode().strip() in ("running", "degraded")


def lay_files(container: Container, files: Mapping[str, str], mode: int = 0o644) -> None:
    """Write files at their absolute paths."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path.lstrip("/"))
            member.size, member.mode = len(content.encode()), mode
            archive.addfile(member, io.BytesIO(content.encode()))
    assert container.put_archive("/", buffer.getvalue())


def start_debian(engine: Engine, machine: Machine) -> Debian:
    """A container of the role's image with the base files in it."""
    place = Debian(start_container(engine, machine.packages), machine)
    for mode in (0o644, 0o755):
        place.put({file.path: file.content for file in all_files(machine) if file.mode == mode}, mode)
    place.run("mkdir", "-p", "/run/hdinfra-origins", "/run/haproxy")
    place.run("systemd-sysusers")
    lay_code(place, bundle_of(machine.identity.role))
    return place


def lay_code(place: Debian, bundle: Bundle) -> None:
    """As the first boot does with the bundle that it fetched."""
    folder = f"code-{bundle.sha256[:16]}"
    place.run("mkdir", "-p", f"/usr/lib/hdinfra/{folder}")
    assert place.container.put_archive(f"/usr/lib/hdinfra/{folder}", bundle.content)
    place.run("ln", "-sfn", folder, "/usr/lib/hdinfra/code")
