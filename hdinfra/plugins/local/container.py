"""A machine's container: made, wired and limited alike on Docker and Podman."""

import hashlib
import json
import re
from ipaddress import IPv4Address
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from requests import RequestException

from hdinfra.plugins.kind import PluginError, Values
from hdinfra.plugins.local.console import put
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.inventory import discard
from hdinfra.plugins.local.limits import ulimits
from hdinfra.plugins.local.names import Ownership

_SEED = "/var/lib/cloud/seed/nocloud"
_CPU_PERIOD = 100_000  # microseconds, the kernel's default
_STOP_SIGNAL = "SIGRTMIN+3"  # systemd's orderly halt
FIXED = ("image", "networks", "description", "metaData", "booted", "ports", "devices")
"""What only a new container can have. User data is not among it: it is read once, at the first boot, and holds things
that are renewed with every run; `description` is the digest of what in it matters."""
_PORT_BUSY = re.compile(r"address already in use|port is already allocated|ports are not available", re.I)
# Addresses are fixed and unique by plan: waiting for duplicates would only delay the first answer over IPv6.
_SYSCTLS = {
    "net.ipv6.conf.all.disable_ipv6": "0",
    "net.ipv6.conf.default.disable_ipv6": "0",
    "net.ipv6.conf.all.accept_dad": "0",
    "net.ipv6.conf.default.accept_dad": "0",
}


def spec_hash(inputs: Values) -> str:
    """The content of all that only a new container can have."""
    fixed = {name: inputs[name] for name in FIXED if name in inputs}
    return hashlib.sha256(json.dumps(fixed, sort_keys=True).encode()).hexdigest()


def find(engine: Engine, name: str) -> Container | None:
    """The container of that name."""
    try:
        return engine.client.containers.get(name)
    except NotFound:
        return None


def make(engine: Engine, owner: Ownership, resource: str, inputs: Values) -> Container:
    """Creates it, not yet started, with its networks, limits and seed."""
    api = engine.client.api
    first = inputs["networks"][0]
    targets = sorted({(int(port["target"]), port.get("protocol", "tcp")) for port in inputs["ports"]})
    created = api.create_container(
        inputs["image"],
        command=["/sbin/init"],
        name=owner.name(resource),
        hostname=resource,
        environment=_environment(engine),
        ports=targets,
        labels={str(k): str(v) for k, v in inputs["labels"].items()} | owner.labels(resource, spec_hash(inputs)),
        stop_signal=_STOP_SIGNAL,
        host_config=api.create_host_config(**_host_config(engine, inputs)),
        networking_config={"EndpointsConfig": {first["network"]: _endpoint(engine, first)}},
    )
    container = engine.client.containers.get(created["Id"])
    try:
        for place in inputs["networks"][1:]:
            _connect(engine, container, place)
        put(container, {f"{_SEED}/user-data": inputs["userData"], f"{_SEED}/meta-data": inputs["metaData"]})
    except (DockerException, RequestException, OSError):
        discard(container)
        raise
    return container


def start(container: Container, inputs: Values) -> None:
    """Starts or thaws it; a port that somebody else holds is named."""
    container.reload()
    try:
        if container.status == "paused":
            container.unpause()
        elif container.status != "running":
            container.start()
    except APIError as error:
        if not _PORT_BUSY.search(str(error.explanation)):
            raise
        raise PluginError(_busy(container.name or "", inputs["ports"], str(error.explanation))) from error


def reconnect(engine: Engine, container: Container, inputs: Values) -> bool:
    """Wires the networks that it has lost, with the addresses of the plan; says whether any was."""
    container.reload()
    lost = missing_networks(container, inputs)
    for place in lost:
        _connect(engine, container, place)
    return bool(lost)


def missing_networks(container: Container, inputs: Values) -> list[Values]:
    """The planned networks that the container does not hang on."""
    wired = container.attrs["NetworkSettings"]["Networks"] or {}
    return [place for place in inputs["networks"] if place["network"] not in wired]


def limit(engine: Engine, container: Container, inputs: Values) -> None:
    """Brings a running machine's limits to the plan."""
    quota, memory = _limits(inputs)
    if engine.facts.podman:
        _limit_podman(engine, container, quota, memory)
        return
    container.update(cpu_period=_CPU_PERIOD, cpu_quota=quota, mem_limit=memory, memswap_limit=memory)


def _limit_podman(engine: Engine, container: Container, quota: int, memory: int) -> None:
    # Podman serves Docker's update call only in later releases; its own exists since 4.3.
    api = engine.client.api
    wanted = {"cpu": {"period": _CPU_PERIOD, "quota": quota}, "memory": {"limit": memory, "swap": memory}}
    address = f"{api.base_url}/v4.0.0/libpod/containers/{container.id}/update"
    answer = api.post(address, json=wanted, timeout=api.timeout)
    if not answer.ok:
        raise PluginError(f"machine `{container.name}`: its limits cannot be changed: {answer.text.strip()}")


def _limits(inputs: Values) -> tuple[int, int]:
    return int(inputs["cpus"] * _CPU_PERIOD), int(inputs["memoryMib"]) * 1024 * 1024


def _host_config(engine: Engine, inputs: Values) -> dict[str, Any]:
    quota, memory = _limits(inputs)
    common: dict[str, Any] = {
        "cap_add": ["NET_ADMIN", "SYS_ADMIN"],
        "cpu_period": _CPU_PERIOD,
        "cpu_quota": quota,
        "devices": [f"{path}:{path}:rwm" for path in inputs.get("devices", ())],
        "mem_limit": memory,
        "memswap_limit": memory,
        "network_mode": inputs["networks"][0]["network"],
        "port_bindings": {
            f"{int(port['target'])}/{port.get('protocol', 'tcp')}": (port["address"], int(port["port"]))
            for port in inputs["ports"]
        },
        "sysctls": _SYSCTLS,
        "ulimits": ulimits(engine.url),
    }
    return common if engine.facts.podman else common | _docker_for_systemd(engine)


def _docker_for_systemd(engine: Engine) -> dict[str, Any]:
    # Podman does all this itself when the command is systemd.
    writable = "ro" if engine.facts.cgroup_v1 else "rw"
    prepared: dict[str, Any] = {
        "tmpfs": {"/run": "", "/run/lock": "", "/tmp": ""},  # noqa: S108 - the container's own
        "binds": [f"/sys/fs/cgroup:/sys/fs/cgroup:{writable}"],
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
    }
    return prepared if engine.facts.cgroup_v1 else prepared | {"cgroupns": "host"}


def _environment(engine: Engine) -> dict[str, str]:
    named = {"container": "podman" if engine.facts.podman else "docker"}
    # systemd 257 wants to be told that an old cgroup hierarchy is meant.
    return named | ({"SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1"} if engine.facts.cgroup_v1 else {})


def _endpoint(engine: Engine, place: Values) -> dict[str, Any]:
    endpoint: dict[str, Any] = engine.client.api.create_endpoint_config(**_addresses(place))
    return endpoint


def _connect(engine: Engine, container: Container, place: Values) -> None:
    network = engine.client.networks.get(place["network"])
    network.connect(container, **_addresses(place))


def _addresses(place: Values) -> dict[str, Any]:
    # Neighbours remember a MAC for up to 45 s: a machine that comes back with another would stay unreached that long.
    # 02:42 and the IPv4 address is what Docker itself gave for years; Podman rolls dice.
    mac = ":".join(f"{octet:02x}" for octet in (0x02, 0x42, *IPv4Address(place["ipv4"]).packed))
    return {"ipv4_address": place["ipv4"], "ipv6_address": place["ipv6"], "mac_address": mac}


def _busy(name: str, ports: list[Values], said: str) -> str:
    named = [port for port in ports if f":{port['port']}" in said] or ports
    places = ", ".join(f"{port['address']}:{port['port']}" for port in named)
    return (
        f"machine `{name}` cannot be published at {places}: something else listens there already ({said}).\n"
        "fix: write a free port under `edge.places[].publish.port` of the spec, or end what listens "
        "(`ss -ltnp` names it)"
    )
