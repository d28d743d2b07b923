"""What the engine's next preview would do, without an engine: the program runs again, against what it registered last.

As the engine does: what is made or made anew has neither an id nor outputs until it is there, so whatever takes them
changes with it; what is deleted first takes along all that must be made anew for it.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pulumi.runtime.rpc import UNKNOWN

from hdinfra.testing import Graph, Recorder, Registered
from hdinfra.testing.graph import STACK
from hdinfra.testing.monitor import Invoke, Outputs, RecordingEngine, RecordingMonitor
from hdinfra.testing.wire import message_of, plain
from tests.engine.replacements import Change, change, known_beforehand

CREATE, UPDATE, REPLACE, DELETE = "create", "update", "replace", "delete"


@dataclass(frozen=True)
class Step:
    """What happens to one resource that a provider realises, and the inputs that are why."""

    deed: str
    type: str
    name: str
    because: tuple[str, ...] = ()


class Previewer(Recorder):
    """Call it with a program and the graph of the last run: the steps of the next one, resources that stay left out."""

    def steps(self, program: Callable[[], object], before: Graph) -> tuple[Step, ...]:
        """All of them, in the order of registration; what is deleted comes last."""
        prefix = f"urn:pulumi:{self.stack}::{self.project}"
        monitor = PreviewMonitor(prefix, self.outputs, self.invokes, before)
        self.preview = True
        self._run(program, monitor, RecordingEngine())
        return monitor.steps


class PreviewMonitor(RecordingMonitor):
    """Answers as the engine does in a preview of a stack that is up."""

    def __init__(
        self, prefix: str, outputs: Mapping[str, Outputs], invokes: Mapping[str, Invoke], before: Graph
    ) -> None:
        super().__init__(prefix, outputs, invokes)
        self._before = {resource.urn: resource for resource in before.resources}
        self._left = dict(self._before)
        self._aliases: dict[str, list[str]] = {}
        self._taken_along: set[str] = set()
        self._anew: set[str] = set()
        self._steps: list[Step] = []

    @property
    def steps(self) -> tuple[Step, ...]:
        """What was registered so far, and what was not registered again."""
        gone = (Step(DELETE, old.type, old.name) for old in self._left.values() if old.custom)
        return (*self._steps, *gone)

    def RegisterResource(self, request: Any) -> Any:
        """The usual answer, without what nobody knows before the deployment."""
        answer = super().RegisterResource(request)
        old = self._old(answer.urn, request)
        if not request.custom:
            return answer
        step = self._step(old, request)
        if step.deed:
            self._steps.append(step)
        if step.deed not in (CREATE, REPLACE) or known_beforehand(request.type):
            return answer
        inputs, _ = plain(request.object)
        told = self._outputs.get(request.type)
        added = told(request.name, inputs) if told else {}
        answer.id = ""
        answer.object.CopyFrom(message_of({**inputs, **dict.fromkeys(added, UNKNOWN)}))
        return answer

    def _old(self, urn: str, request: Any) -> Registered | None:
        """What this was called before: the same, or one of its aliases and those of what it lies in."""
        if request.type == STACK:
            return None
        aliases = self._aliases[urn] = list(_aliases(urn, request, self._aliases))
        found = next((known for known in (urn, *aliases) if known in self._left), None)
        return self._left.pop(found) if found else None

    def _step(self, old: Registered | None, request: Any) -> Step:
        if old is None:
            return Step(CREATE, request.type, request.name)
        inputs = _as_engine_sees(old.inputs, plain(request.object)[0], request.ignoreChanges)
        found = _forced(change(old.type, old.inputs, inputs), old, request)
        if request.provider.rpartition("::")[0] in self._anew:
            found = replace(found, replaces=(*found.replaces, "(its provider is made anew)"))
        if old.urn in self._taken_along:
            found = replace(found, replaces=found.replaces or ("(what it hangs on is deleted first)",))
        if found.replaces:
            self._anew.add(old.urn)
            first = request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else found.delete_first
            if first:
                self._taken_along |= set(_must_follow(old.urn, self._before))
            return Step(REPLACE, request.type, request.name, found.replaces)
        return Step(UPDATE if found.inputs else "", request.type, request.name, found.inputs)


def _as_engine_sees(old: Mapping[str, Any], new: Mapping[str, Any], ignored: Any) -> Mapping[str, Any]:
    """New inputs, but for what the program says is to stay."""
    seen: Mapping[str, Any] = new
    for path in ignored:
        steps = [quoted or plain_ for quoted, plain_ in _STEP.findall(path)]
        if "*" in path or re.search(r"\[\d", path):
            raise NotImplementedError(f"ignore_changes of `{path}`: only names are read here")
        seen = _kept(old, seen, steps)
    return seen


_STEP = re.compile(r'\["([^"]+)"\]|([^.\[\]]+)')
"""Of a property path: `a.b` or `a["b-c"]`."""


def _kept(old: Any, new: Any, steps: Sequence[str]) -> Any:
    """The new value, with the old one's at that path; where the blocks around it are not there, nothing is kept."""
    if not isinstance(old, Mapping) or not isinstance(new, Mapping):
        return new
    first, *rest = steps
    if rest:
        return {**new, first: _kept(old[first], new[first], rest)} if first in old and first in new else new
    others = {name: value for name, value in new.items() if name != first}
    return {**others, first: old[first]} if first in old else others


def _forced(found: Change, old: Registered, request: Any) -> Change:
    """With what the program itself, not the provider, says is a reason to make it anew."""
    reasons = [*found.replaces]
    if old.request.replacement_trigger != request.replacement_trigger:
        reasons.append("(replacement trigger)")
    reasons += [path for path in found.inputs if path in {each.partition(".")[0] for each in request.replaceOnChanges}]
    if "*" in request.replaceOnChanges:
        reasons += found.inputs
    if old.request.provider.rpartition("::")[0] != request.provider.rpartition("::")[0]:
        reasons.append("(provider)")
    return replace(found, replaces=tuple(dict.fromkeys(reasons)))


def _must_follow(root: str, before: Mapping[str, Registered]) -> Iterator[str]:
    """As the engine: dependents for which not knowing the input would mean to be made anew; it ignores no changes."""
    gone = {root}
    for urn, resource in before.items():
        if urn in gone or not resource.custom:
            continue
        on_it = {
            name
            for name, dependencies in resource.request.propertyDependencies.items()
            if gone & set(dependencies.urns)
        }
        of_its_provider = resource.request.provider.rpartition("::")[0] in gone
        unknown = {**resource.inputs, **dict.fromkeys(on_it, UNKNOWN)}
        if of_its_provider or (on_it and change(resource.type, resource.inputs, unknown).replaces):
            gone.add(urn)
            yield urn


def _aliases(urn: str, request: Any, known: Mapping[str, list[str]]) -> Iterator[str]:
    """Older URNs: its own aliases, and those that follow from its parent's."""
    start = urn.rpartition("::")[0].split("::")[0:2]
    for alias in request.aliases:
        if alias.WhichOneof("alias") == "urn":
            yield alias.urn
            continue
        spec = alias.spec
        parent = "" if spec.noParent else (spec.parentUrn or request.parent)
        yield _urn(start, parent, spec.type or request.type, spec.name or request.name)
    yield from request.aliasURNs
    old_names = [request.name, *(alias.spec.name for alias in request.aliases if alias.spec.name)]
    for parent in known.get(request.parent, ()):
        mine, theirs = request.parent.rpartition("::")[2], parent.rpartition("::")[2]
        for name in old_names:
            followed = theirs + name.removeprefix(mine) if name.startswith(mine) else name
            yield _urn(start, parent, request.type, followed)


def _urn(start: list[str], parent: str, type_: str, name: str) -> str:
    kinds = parent.split("::")[2] if parent else ""
    whole = f"{kinds}${type_}" if kinds and not kinds.endswith(STACK) else type_
    return "::".join((*start, whole, name))
