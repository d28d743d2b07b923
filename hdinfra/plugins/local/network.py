"""The resource `hdlocal:index:Network`."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import ClassVar

from docker.errors import APIError, NotFound
from docker.models.networks import Network
from docker.types import IPAMConfig, IPAMPool

from hdinfra.plugins.kind import Call, Difference, PluginError, Values
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.names import LABEL, SPEC_LABEL, Ownership
from hdinfra.plugins.shapes import Address, Failure, Record

# Docker; Podman with a subnet of another network or of the host.
_BUSY = re.compile(
    r"pool overlaps|already used on the host|already being used|overlaps with|conflicts with network", re.I
)


class NetworkKind:
    """A dual stack bridge."""

    inputs = Record({"ipv4": Address(4, network=True), "ipv6": Address(6, network=True)})
    outputs: ClassVar[Mapping[str, str]] = {"networkName": "string"}

    def __init__(self, engine: Engine, owner: Ownership) -> None:
        self._engine = engine
        self._owner = owner

    def check(self, inputs: Values) -> Iterable[Failure]:
        """The shape says it all."""
        return ()

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """The name is known beforehand."""
        return {"networkName": state["networkName"] if state else self._owner.name(call.name)}

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Makes it, or adopts the one that an aborted run left."""
        call.check_cancelled()
        name = self._owner.name(call.name)
        found = self._find(name)
        if found is not None and not self._adoptable(found, inputs):
            _remove(found)
            found = None
        if found is None:
            self._make(name, call.name, inputs)
        return name, {"networkName": name}

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """There or gone."""
        return {"networkName": resource_id} if self._find(resource_id) else None

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """A network's subnets are fixed, and so is its name: the old one goes first."""
        return Difference(replaces=changed, delete_first=True)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Nothing can change in place; one that is gone is made again."""
        return self.create(call, inputs)[1]

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Removes it; says who still hangs on it."""
        found = self._find(resource_id)
        if found is not None:
            _remove(found)

    def _find(self, name: str) -> Network | None:
        try:
            return self._engine.client.networks.get(name)
        except NotFound:
            return None

    def _adoptable(self, found: Network, inputs: Values) -> bool:
        labels = found.attrs.get("Labels") or {}
        if not self._owner.owns(labels):
            raise PluginError(
                f"a network `{found.name}` exists that is not this stack's.\n"
                f"fix: remove it (`docker network rm {found.name}`) or choose another stack name"
            )
        return bool(labels.get(SPEC_LABEL) == _spec(inputs))

    def _make(self, name: str, resource: str, inputs: Values) -> None:
        pools = [IPAMPool(subnet=inputs["ipv4"]), IPAMPool(subnet=inputs["ipv6"])]
        try:
            self._engine.client.networks.create(
                name,
                driver="bridge",
                ipam=IPAMConfig(pool_configs=pools),
                enable_ipv6=True,
                labels=self._owner.labels(resource, _spec(inputs)),
            )
        except APIError as error:
            raise self._explained(error, resource, inputs) from error

    def _explained(self, error: APIError, resource: str, inputs: Values) -> Exception:
        if not _BUSY.search(str(error.explanation)):
            return error
        holders = ", ".join(_whose(network) for network in self._overlapping(inputs)) or str(error.explanation)
        return PluginError(
            f"network `{resource}`: `{inputs['ipv4']}` or `{inputs['ipv6']}` is in use on this host already, by "
            f"{holders}. Zones on one computer need pools of their own.\n"
            "fix: write another pool under `network.ipv4` (or `network.ipv6`) of the spec, such as "
            "`ipv4: 10.112.0.0/12`, or remove the network that uses it"
        )

    def _overlapping(self, inputs: Values) -> list[Network]:
        asked = [ip_network(inputs[family]) for family in ("ipv4", "ipv6")]
        return [
            network
            for network in self._engine.client.networks.list()
            if any(one.version == used.version and one.overlaps(used) for used in _subnets(network) for one in asked)
        ]


def _subnets(network: Network) -> list[IPv4Network | IPv6Network]:
    configs = (network.attrs.get("IPAM") or {}).get("Config") or ()
    return [ip_network(one["Subnet"], strict=False) for one in configs if one.get("Subnet")]


def _whose(network: Network) -> str:
    labels = network.attrs.get("Labels") or {}
    stack, namespace = (labels.get(f"{LABEL}.{name}") for name in ("stack", "namespace"))
    return f"`{network.name}`" + (f" of stack `{stack}` (namespace `{namespace}`)" if stack else "")


def _spec(inputs: Values) -> str:
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def _remove(found: Network) -> None:
    # Asked beforehand: Podman removes a network under its containers and leaves the bridge behind.
    hanging = _hanging(found)
    if hanging:
        raise PluginError(
            f"network `{found.name}` cannot be removed: containers still hang on it: {', '.join(hanging)}.\n"
            "fix: remove them (`docker rm -f` or `podman rm -f`) and run again"
        )
    with suppress(NotFound):
        found.remove()


def _hanging(network: Network) -> list[str]:
    client = network.client
    if client is None:
        return []
    found = client.containers.list(all=True, filters={"network": network.name or ""})
    return sorted(container.name or "" for container in found)
