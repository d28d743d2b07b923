"""What carries this stack's labels and is in nobody's state: found and removed."""

from collections.abc import Callable

from docker.errors import APIError

from hdinfra.operate.containers import Containers
from hdinfra.operate.errors import ContainersError
from hdinfra.plugins.local.inventory import list_owned, remove


def remove_unknown(containers: Containers, namespace: str, known: frozenset[str], say: Callable[[str], None]) -> int:
    """Remove this namespace's containers and networks whose names are not known; how many there were."""
    unknown = [thing for thing in list_owned(containers.client, namespace) if thing.name not in known]
    for thing in unknown:
        say(f"removing {thing.kind} {thing.name}, which no state knows")
        try:
            remove(containers.client, thing)
        except APIError as refused:
            raise ContainersError(
                f"The {thing.kind} {thing.name} cannot be removed.", running=thing.name, retry="the same again"
            ) from refused
    return len(unknown)
