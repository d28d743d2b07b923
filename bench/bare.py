"""The same machines without us: docker-py alone, everything at once. The baseline of `up`.

Without a control plane: API machines and the bundle store only boot, policies are handed over one by one.
"""

import io
import resource
import tarfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import docker
import httpx
from docker.errors import NotFound
from docker.models.containers import Container

from hdinfra.machine.bundle import bundle_of
from hdinfra.machine.cloud_init import cloud_config
from hdinfra.machine.roles import MANAGED, machine_of
from hdinfra.model.plan import Addresses, MachinePlan, Prefixes, ZonePlan
from hdinfra.model.policies import lab_origin_policy, load_balancer_policy, waf_policy
from hdinfra.model.policy import canonical
from hdinfra.operate.containers import said

_SECONDS = 120.0
_POLL_SECONDS = 0.25  # an exec costs a tenth of a second of CPU; polling harder would slow the boot it waits for
_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Bare:
    """A zone of plain containers under `namespace`; `image` of each role is there already."""

    client: docker.DockerClient
    namespace: str
    images: Mapping[str, str]
    plan: ZonePlan

    def up(self) -> float:
        """Networks, machines, policies, first good answers; the seconds it took."""
        begin = time.monotonic()
        self._networks()
        with ThreadPoolExecutor(len(self.plan.machines)) as pool:
            list(pool.map(self._boot, self.plan.machines))
            for roles in (("lab-origin", "waf"), ("load-balancer",)):
                list(pool.map(self._apply, [one for one in self.plan.machines if one.role in roles]))
        for machine in self.plan.edge.machines if self.plan.edge else ():
            if machine.publish:
                _until_well(f"http://{machine.publish.address}:{machine.publish.port}/healthz")
        return time.monotonic() - begin

    def down(self) -> None:
        """Everything away."""
        names = [f"{self.namespace}-{machine.name}" for machine in self.plan.machines]
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self._remove, names))
        for name, _ in self._prefixes():
            with suppress(NotFound):
                self.client.networks.get(f"{self.namespace}-{name}").remove()

    def _remove(self, name: str) -> None:
        with suppress(NotFound):
            self.client.containers.get(name).remove(force=True, v=True)

    def _prefixes(self) -> list[tuple[str, Prefixes]]:
        wan = [("wan", self.plan.wan)] if self.plan.wan else []
        return [*wan, *((f"{cluster.name}-network", cluster.prefixes) for cluster in self.plan.clusters)]

    def _networks(self) -> None:
        for name, prefixes in self._prefixes():
            pools = [docker.types.IPAMPool(subnet=str(subnet)) for subnet in (prefixes.ipv4, prefixes.ipv6)]
            self.client.networks.create(
                f"{self.namespace}-{name}", ipam=docker.types.IPAMConfig(pool_configs=pools), enable_ipv6=True
            )

    def _boot(self, machine: MachinePlan) -> None:
        container = self._create(machine)
        seed = {
            "user-data": cloud_config(machine_of(self.plan.zone, machine)),
            "meta-data": f"instance-id: {machine.name}\nlocal-hostname: {machine.name}\n",
        }
        container.put_archive(
            "/",
            _archive({f"var/lib/cloud/seed/nocloud/{name}": text for name, text in seed.items()} | _code(machine.role)),
        )
        if machine.private:
            cluster = self.client.networks.get(f"{self.namespace}-{machine.place}-network")
            cluster.connect(container, **_addresses(machine.private))
        container.start()
        _until(container, "test -e /run/cloud-init/result.json")

    def _create(self, machine: MachinePlan) -> Container:
        if machine.public is None:
            raise ValueError(f"{machine.name} has no address")
        wan, api = f"{self.namespace}-wan", self.client.api
        ports = {80: (str(machine.publish.address), machine.publish.port)} if machine.publish else {}
        made = api.create_container(
            self.images[machine.role],
            command=["/sbin/init"],
            name=f"{self.namespace}-{machine.name}",
            hostname=machine.name,
            environment={"container": "docker", "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1"},
            ports=list(ports),
            networking_config=api.create_networking_config(
                {wan: api.create_endpoint_config(**_addresses(machine.public))}
            ),
            host_config=api.create_host_config(
                network_mode=wan,
                port_bindings=ports,
                cap_add=["NET_ADMIN", "SYS_ADMIN"],
                mem_limit=machine.size.memory_mib * _MIB,
                ulimits=[_limit("nofile", resource.RLIMIT_NOFILE), _limit("nproc", resource.RLIMIT_NPROC)],
            ),
        )
        return self.client.containers.get(made["Id"])

    def _apply(self, machine: MachinePlan) -> None:
        container = self.client.containers.get(f"{self.namespace}-{machine.name}")
        container.put_archive("/", _archive({"var/lib/hdinfra/inbox/bare.json": self._policy(machine)}))
        done = container.exec_run(["hdctl", "apply", "/var/lib/hdinfra/inbox/bare.json", "--wait", "30"])
        if done.exit_code != 0:
            raise RuntimeError(f"{machine.name}: {said(done)}")

    def _policy(self, machine: MachinePlan) -> str:
        if machine.role == "load-balancer":
            return canonical(load_balancer_policy([(one, _public(one.machines)) for one in self.plan.instances]))
        if machine.role == "lab-origin":
            return canonical(lab_origin_policy(machine.name.removeprefix("lab-"), self.plan.instances))
        (instance,) = (one for one in self.plan.instances if machine in one.machines)
        lab = {one.name.removeprefix("lab-"): pair for one, pair in _pairs(self.plan.lab.origins)}
        edges = [address for _, pair in _pairs(self.plan.edge.machines if self.plan.edge else ()) for address in pair]
        return canonical(waf_policy(instance, lab, edges))


def _code(role: str) -> dict[str, str]:
    """What a first boot would fetch, laid there beforehand: nobody serves it here."""
    if role not in MANAGED:
        return {}
    with tarfile.open(fileobj=io.BytesIO(bundle_of(role).content)) as bundle:
        found = {member.name: bundle.extractfile(member) for member in bundle.getmembers()}
        return {f"usr/lib/hdinfra/code/{name}": file.read().decode() for name, file in found.items() if file}


def _limit(name: str, which: int) -> docker.types.Ulimit:
    # An engine that may not raise limits refuses its own defaults; the host's hard ones always fit.
    hard = resource.getrlimit(which)[1]
    most = 4096 if hard == resource.RLIM_INFINITY else min(hard, 4096)
    return docker.types.Ulimit(name=name, soft=most, hard=most)


def _pairs(machines: Sequence[MachinePlan]) -> list[tuple[MachinePlan, tuple[str, str]]]:
    return [(one, (str(one.public.ipv4), str(one.public.ipv6))) for one in machines if one.public]


def _public(machines: Sequence[MachinePlan]) -> dict[str, tuple[str, str]]:
    return {machine.name: pair for machine, pair in _pairs(machines)}


def _addresses(addresses: Addresses) -> dict[str, Any]:
    return {"ipv4_address": str(addresses.ipv4), "ipv6_address": str(addresses.ipv6)}


def _archive(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), 0o600
            archive.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _until(container: Container, condition: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while container.exec_run(["sh", "-c", condition]).exit_code != 0:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{container.name}: {condition}")
        time.sleep(_POLL_SECONDS)


def _until_well(url: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK:
                return
        if time.monotonic() > deadline:
            raise TimeoutError(url)
        time.sleep(_POLL_SECONDS)
