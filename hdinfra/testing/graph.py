"""What a program registered, whole, and the questions that stock mocks cannot answer."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

STACK = "pulumi:pulumi:Stack"
PROVIDER = "pulumi:providers:"


@dataclass(frozen=True, slots=True)
class Registered:
    """One registration. `inputs` are plain (secrets unwrapped), `secrets` the paths of what was secret among them.

    `provider` is the name of the explicit provider, None where there was none. `outputs` holds what each call of
    `register_outputs` gave; a component that calls it once has one entry. `request` is the whole message.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    provider: str | None
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    depends_on: frozenset[str]
    outputs: tuple[Mapping[str, Any], ...]
    request: Any = field(repr=False, compare=False)

    @property
    def is_provider(self) -> bool:
        """Whether this is an explicit provider."""
        return self.type.startswith(PROVIDER)


@dataclass(frozen=True, slots=True)
class Graph:
    """Everything of one run but the stack itself, in the order of registration; `outputs` are the stack's."""

    resources: tuple[Registered, ...]
    outputs: Mapping[str, Any]
    messages: tuple[str, ...] = ()

    def of_type(self, type_: str) -> tuple[Registered, ...]:
        """All resources of one type token."""
        return self._where(lambda resource: resource.type == type_)

    def named(self, name: str, type_: str | None = None) -> Registered:
        """The one resource of that name (and type); LookupError unless there is exactly one."""
        found = self._where(lambda resource: resource.name == name and type_ in (None, resource.type))
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources are named `{name}`; there are {sorted(self.names)}")
        return found[0]

    @property
    def names(self) -> frozenset[str]:
        """Every logical name."""
        return frozenset(resource.name for resource in self.resources)

    @property
    def components(self) -> tuple[Registered, ...]:
        """Resources that no provider realises."""
        return self._where(lambda resource: not resource.custom)

    def parent(self, resource: Registered) -> Registered | None:
        """Its parent, or None under the stack itself."""
        return next((other for other in self.resources if other.urn == resource.parent), None)

    def children(self, resource: Registered) -> tuple[Registered, ...]:
        """What was registered with `parent=resource`."""
        return self._where(lambda other: other.parent == resource.urn)

    def duplicates(self) -> frozenset[str]:
        """URNs that were registered more than once; an engine refuses them, mocks overwrite in silence."""
        counts = Counter(resource.urn for resource in self.resources)
        return frozenset(urn for urn, count in counts.items() if count > 1)

    def without_provider(self) -> tuple[Registered, ...]:
        """Custom resources that would fall to the default provider."""
        return self._where(lambda resource: resource.custom and not resource.is_provider and not resource.provider)

    def orphans(self) -> tuple[Registered, ...]:
        """Custom resources directly under the stack: somebody forgot `parent=self`."""
        return self._where(lambda resource: resource.custom and self.parent(resource) is None)

    def unfinished(self) -> tuple[Registered, ...]:
        """Components that did not call `register_outputs` exactly once."""
        return self._where(lambda resource: not resource.custom and len(resource.outputs) != 1)

    def shape(self) -> tuple[tuple[str, str, str], ...]:
        """(type, name, parent's name) of all, sorted: what an upgrade must keep or alias."""
        parents = {resource.urn: resource.name for resource in self.resources}
        return tuple(sorted((r.type, r.name, parents.get(r.parent, "")) for r in self.resources))

    def changed(self, other: "Graph") -> frozenset[str]:
        """Names of resources that only one graph has, or whose inputs differ: what an update would touch."""
        mine, theirs = ({r.urn: r for r in graph.resources} for graph in (self, other))
        return frozenset(
            (mine.get(urn) or theirs[urn]).name
            for urn in mine.keys() | theirs.keys()
            if urn not in mine or urn not in theirs or mine[urn].inputs != theirs[urn].inputs
        )

    def _where(self, condition: Callable[[Registered], bool]) -> tuple[Registered, ...]:
        return tuple(resource for resource in self.resources if condition(resource))
