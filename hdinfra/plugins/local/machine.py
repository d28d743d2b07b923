"""The resource `hdlocal:index:Machine`."""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from docker.errors import DockerException
from docker.models.containers import Container
from requests import RequestException

from hdinfra.plugins.kind import Call, Difference, InitFailedError, PluginError, Values
from hdinfra.plugins.local import container as containers
from hdinfra.plugins.local.boot import NotBootedError, wait_booted
from hdinfra.plugins.local.engine import Engine
from hdinfra.plugins.local.inventory import discard
from hdinfra.plugins.local.names import OWN_LABELS, SPEC_LABEL, Ownership
from hdinfra.plugins.shapes import Address, Failure, Many, Number, Record, Table, Text
from hdinfra.plugins.values import UNKNOWN, holds_unknown

_PLACE = Record({"network": Text(r"[a-zA-Z0-9][\w.-]*", "a network's name"), "ipv4": Address(4), "ipv6": Address(6)})
_PORT = Record(
    {"address": Address(4), "port": Number(1, 65_535), "target": Number(1, 65_535)},
    optional={"protocol": Text(r"tcp|udp", "tcp or udp")},
)
_REVIVABLE = frozenset({"running", "paused", "exited", "stopped", "created", "configured"})
_REPLACING = frozenset(containers.FIXED)
_FIRST_BOOT = frozenset({"userData"})


class MachineKind:
    """A system container that boots by cloud-init. Its name and addresses are fixed, so the old one goes first."""

    inputs = Record(
        {
            "image": Text(r"[a-z0-9][a-z0-9._/:@-]+", "an image's tag"),
            "networks": Many(_PLACE, least=1),
            "userData": Text(),
            "description": Text(r"[0-9a-f]{64}", "a SHA-256 in hex"),
            "metaData": Text(),
            "cpus": Number(0.01, 1024, whole=False),
            "memoryMib": Number(6, 4_194_304),
            "ports": Many(_PORT),
            "labels": Table(Text()),
            "booted": Many(Text(r"[^\0]+", "a word of a command")),
        },
        # Left out by whoever needs none, so that machines from before there were devices are as asked for.
        optional={"devices": Many(Text(r"/dev/[a-z0-9/_-]+", "a device's path"))},
    )
    outputs: ClassVar[Mapping[str, str]] = {
        "container": "string",
        "containerId": "string",
        "ipv4": "string",
        "ipv6": "string",
        "running": "boolean",
    }

    def __init__(self, engine: Engine, owner: Ownership) -> None:
        self._engine = engine
        self._owner = owner

    def check(self, inputs: Values) -> Iterable[Failure]:
        """The labels by which a machine is found again are the provider's alone."""
        labels = {} if inputs["labels"] is UNKNOWN else inputs["labels"]
        reserved = sorted(OWN_LABELS & labels.keys())
        return [
            Failure(f"labels.{name}", "is set by the provider, which finds its machines by it") for name in reserved
        ]

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """All but the container's id is known beforehand, and that too when it stays."""
        networks = inputs["networks"]
        unknown = {"ipv4": UNKNOWN, "ipv6": UNKNOWN}
        address: Values = unknown if holds_unknown(networks) else networks[0]
        return {
            "container": self._owner.name(call.name),
            "containerId": state["containerId"] if state else UNKNOWN,
            "ipv4": address["ipv4"],
            "ipv6": address["ipv6"],
            "running": True,
        }

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Makes and boots it, or adopts the one that an aborted run left."""
        name = self._owner.name(call.name)
        return name, self._ensure(call, name, inputs)

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """Gone, or whether it runs with all its networks."""
        found = containers.find(self._engine, resource_id)
        if found is None:
            return None
        well = found.status == "running" and not containers.missing_networks(found, state)
        return {"containerId": found.id, "running": well}

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """What is in the container's making replaces; limits, labels and a machine that stands still do not."""
        still = frozenset() if state.get("running") else frozenset({"running"})
        updates = (changed - _REPLACING - _FIRST_BOOT) | still
        return Difference(updates=updates, replaces=changed & _REPLACING, delete_first=True)

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Mends what stands still and sets limits; labels reach the container when it is next made."""
        if state.get("labels") not in (None, inputs["labels"]):
            call.progress("labels are kept in the state: a container takes new ones only when it is made anew")
        return self._ensure(call, resource_id, inputs)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Ends and removes it."""
        found = containers.find(self._engine, resource_id)
        if found is not None:
            discard(found)

    def _ensure(self, call: Call, name: str, inputs: Values) -> Values:
        found = self._adopted(name, inputs)
        if found is None:
            return self._anew(call, inputs)
        containers.reconnect(self._engine, found, inputs)
        containers.start(found, inputs)
        containers.limit(self._engine, found, inputs)
        try:
            wait_booted(found, inputs["booted"], call)
        except NotBootedError:
            # What it was told at its first boot may be stale by now, its enrolment token first of all.
            call.progress(f"`{name}` does not boot: making it anew")
            discard(found)
            return self._anew(call, inputs)
        return _outputs(found, inputs)

    def _adopted(self, name: str, inputs: Values) -> Container | None:
        found = containers.find(self._engine, name)
        if found is None:
            return None
        if not self._owner.owns(found.labels):
            raise PluginError(
                f"a container `{name}` exists that is not this stack's.\n"
                f"fix: remove it (`docker rm -f {name}`) or choose another stack name"
            )
        same = found.labels.get(SPEC_LABEL) == containers.spec_hash(inputs)
        if same and found.status in _REVIVABLE:
            return found
        discard(found)
        return None

    def _anew(self, call: Call, inputs: Values) -> Values:
        call.check_cancelled()
        made = containers.make(self._engine, self._owner, call.name, inputs)
        try:
            containers.start(made, inputs)
            wait_booted(made, inputs["booted"], call)
        except NotBootedError as failed:
            raise _kept(made, inputs, failed) from failed
        except (PluginError, DockerException, RequestException, OSError):
            # This one alone: after a Cancel the engine does not wait, and the next run may have made its own already.
            discard(made)
            raise
        return _outputs(made, inputs)


def _kept(container: Container, inputs: Values, failed: NotBootedError) -> InitFailedError:
    return InitFailedError(container.name or "", _outputs(container, inputs), [str(failed)])


def _outputs(container: Container, inputs: Values) -> Values:
    container.reload()
    first = inputs["networks"][0]
    return {
        "container": container.name,
        "containerId": container.id,
        "ipv4": first["ipv4"],
        "ipv6": first["ipv6"],
        "running": container.status == "running",
    }
