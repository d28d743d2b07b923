"""Everything of one namespace on the engine: for `down`, for sweeping orphans, for tests that clean up."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import docker
from docker.errors import APIError, NotFound
from docker.models.containers import Container

from hdinfra.plugins.local.names import LABEL


@dataclass(frozen=True, order=True, slots=True)
class Owned:
    """A container or network by its name; `resource` is its logical name in the stack."""

    kind: Literal["container", "network"]
    name: str
    resource: str
    project: str
    stack: str


def list_owned(client: docker.DockerClient, namespace: str) -> tuple[Owned, ...]:
    """All that carries the namespace's label, containers first, sorted by name."""
    chosen: dict[str, str | list[str] | bool] = {"label": f"{LABEL}.namespace={namespace}"}
    found = [_owned("container", c.name or "", c.labels) for c in client.containers.list(all=True, filters=chosen)]
    found += [_owned("network", n.name or "", n.attrs["Labels"]) for n in client.networks.list(filters=chosen)]
    return tuple(sorted(found))


def remove_owned(client: docker.DockerClient, namespace: str) -> tuple[Owned, ...]:
    """Removes all that `list_owned` names (containers before the networks they hang on) and says what it was."""
    owned = list_owned(client, namespace)
    for thing in owned:
        remove(client, thing)
    return owned


def remove(client: docker.DockerClient, thing: Owned) -> None:
    """Removes one; well when it has gone by itself."""
    try:
        match thing.kind:
            case "container":
                discard(client.containers.get(thing.name))
            case "network":
                client.networks.get(thing.name).remove()
    except NotFound:
        return


def discard(container: Container) -> None:
    """Ends a container at once (no orderly stop, which may take 10 s) and removes it with its volumes."""
    with suppress(APIError):  # it does not run, or has gone
        container.kill()
    try:
        container.remove(force=True, v=True)
    except NotFound:
        return


def _owned(kind: Literal["container", "network"], name: str, labels: dict[str, str]) -> Owned:
    def of(key: str) -> str:
        return labels.get(f"{LABEL}.{key}", "")

    return Owned(kind, name, of("resource"), of("project"), of("stack"))
