"""The resource `hdpolicy:index:Policy`: one scope's document, rolled out and waited for."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from hdinfra.plugins.kind import Call, Difference, InitFailedError, PluginError, Values
from hdinfra.plugins.policy.api import Api, ApiRefusedError, ApiUnreachableError, Endpoint
from hdinfra.plugins.policy.difference import code_differences, differences, drift, member_differences, shortened
from hdinfra.plugins.policy.names import ENDPOINTS, PEM, SCOPE, SIGNING_KEY, ZONE
from hdinfra.plugins.policy.plane import ControlPlane, Standing
from hdinfra.plugins.policy.rollout import Outcome, Rollout, Wanted
from hdinfra.plugins.policy.stages import Report
from hdinfra.plugins.policy.watch import Pace
from hdinfra.plugins.shapes import Document, Failure, Number, Record, Table, Text
from hdinfra.plugins.values import UNKNOWN, holds_unknown
from hdinfra.protocol.seal import MAX_BYTES, ProtocolError, canonical

_LOOK_SECONDS = 2  # a preview is not held up by a control plane that is gone
_ROOM = 65_536  # of a sealed release, for all but its document
_CONTENT = frozenset({"document", "members", "code", "bakeSeconds"})


class PolicyKind:
    """It lives in the API machines and in the fleet: a change is a new release, and deleting it leaves it in force."""

    inputs = Record(
        {
            "zone": ZONE,
            "scope": SCOPE,
            "members": Table(Text(r"[a-z0-9-]{1,100}", "a cluster's name")),
            "generations": Table(Text()),
            "document": Document(),
            "bakeSeconds": Number(0, 3600, whole=False),
            "code": Table(Table(Text())),
            "endpoints": ENDPOINTS,
            "root": PEM,
            "signingKey": SIGNING_KEY,
            "adminToken": Text(r"[\x21-\x7e]{20,200}", "a token"),
        }
    )
    outputs: ClassVar[Mapping[str, str]] = {
        "number": "integer",
        "digest": "string",
        "serving": "boolean",
        "silent": "array",
    }

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def check(self, inputs: Values) -> Iterable[Failure]:
        """What no release could carry."""
        members, document = inputs["members"], inputs["document"]
        if isinstance(members, dict) and not members:
            yield Failure("members", "names no machine, so there is none to try the policy on")
        if not holds_unknown(document) and (size := _size(document)) > MAX_BYTES - _ROOM:
            yield Failure("document", f"travels as {size:,} bytes; {MAX_BYTES - _ROOM:,} are the most for a release")

    def preview(self, call: Call, inputs: Values, state: Values | None) -> Values:
        """The digest follows from the document, the number from what the API machines know then."""
        if state is None:
            _tell(call, differences({}, inputs["document"]))
        same = state is not None and all(inputs[name] == state.get(name) for name in _CONTENT)
        known = not holds_unknown(inputs["document"])
        return {
            "number": state["number"] if state is not None and same and "number" in state else UNKNOWN,
            "digest": digest(inputs["document"]) if known else UNKNOWN,
            "serving": True,
            "silent": [],
        }

    def create(self, call: Call, inputs: Values) -> tuple[str, Values]:
        """Rolls it out; every member is as good as new to it."""
        resource_id = f"{inputs['zone']}/{inputs['scope']}"
        outcome = self._bring(call, inputs, frozenset(inputs["members"]), 0, None)
        return resource_id, _outputs(call, resource_id, inputs, outcome)

    def read(self, call: Call, resource_id: str, state: Values) -> Values | None:
        """What the API machines know and the members said last; when nobody answers, what was known."""
        try:
            return self._seen(state)
        except (PluginError, ProtocolError):
            return {}

    def diff(self, inputs: Values, state: Values, changed: frozenset[str]) -> Difference:
        """All in place, but for another zone or scope. A fleet that serves otherwise is brought back."""
        replaces = changed & {"zone", "scope"}
        # Where to ask and with what is nothing that machines would notice.
        updates = set(changed - replaces)
        if not state.get("serving"):
            updates.add("serving")
        if not holds_unknown(inputs["document"]) and state.get("digest") != digest(inputs["document"]):
            updates.add("digest")
        return Difference(updates=frozenset(updates), replaces=replaces)

    def look(self, call: Call, inputs: Values, state: Values, changed: frozenset[str]) -> frozenset[str]:
        """The readable difference, and what the API machines know otherwise."""
        _tell(call, _changes(inputs, state))
        if holds_unknown({name: inputs[name] for name in ("endpoints", "root", "signingKey", "adminToken")}):
            return frozenset()
        try:
            standing = self._standing(inputs)
        except (PluginError, ProtocolError):
            return frozenset()
        if standing is None:
            return frozenset()
        _tell(call, drift(inputs["document"], standing.settings))
        differs = _otherwise(call, inputs, standing, told=bool(changed & _CONTENT))
        return frozenset({"digest"}) if differs else frozenset()

    def update(self, call: Call, resource_id: str, inputs: Values, state: Values) -> Values:
        """Rolls out what changed, and waits for machines that were made anew."""
        before = state.get("generations") or {}
        fresh = frozenset(name for name in inputs["members"] if inputs["generations"].get(name) != before.get(name))
        own = _wanted(state) if state.keys() >= _CONTENT else None
        outcome = self._bring(call, inputs, fresh, int(state.get("number") or 0), own)
        return _outputs(call, resource_id, inputs, outcome)

    def delete(self, call: Call, resource_id: str, state: Values) -> None:
        """Nothing to undo: machines serve their last policy until they are removed."""

    def _bring(self, call: Call, inputs: Values, fresh: frozenset[str], known: int, own: Wanted | None) -> Outcome:
        plane = _plane(inputs, 5)
        try:
            return Rollout(plane, call, self._pace).bring(_wanted(inputs), fresh, known, own)
        except ApiRefusedError as refused:
            raise PluginError(f"the API machines refuse the policy of `{inputs['scope']}`: {refused}") from refused
        finally:
            plane.close()

    def _standing(self, inputs: Values) -> Standing | None:
        plane = _plane(inputs, _LOOK_SECONDS)
        try:
            return plane.standing(inputs["scope"])
        finally:
            plane.close()

    def _seen(self, state: Values) -> Values:
        plane = _plane(state, _LOOK_SECONDS)
        try:
            standing, reports = plane.standing(state["scope"]), plane.reports(state["members"])
        finally:
            plane.close()
        if standing is None or reports is None:
            raise ApiUnreachableError("nobody answers")
        newest = standing.newest
        if newest is None or not newest.whole:
            return {"digest": "", "serving": False}
        silent = [name for name in sorted(state["members"]) if not _alive(reports.get(name), self._pace)]
        well = not silent and all(report.serves(newest.number) for report in reports.values())
        return {"number": newest.number, "digest": digest(newest.document), "serving": well, "silent": silent}


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the document's canonical text, in hex."""
    return hashlib.sha256(canonical(document).encode()).hexdigest()


def _size(document: Mapping[str, Any]) -> int:
    # A text in a sealed text in a request: each quotes the one before.
    return len(json.dumps(json.dumps(canonical(document))))


def _plane(inputs: Values, timeout: float) -> ControlPlane:
    endpoints = [Endpoint.of(endpoint) for endpoint in inputs["endpoints"]]
    apis = [Api(endpoint, inputs["root"], inputs["adminToken"], timeout) for endpoint in endpoints]
    return ControlPlane(apis, inputs["zone"], inputs["signingKey"])


def _wanted(inputs: Values) -> Wanted:
    return Wanted(inputs["scope"], inputs["members"], inputs["document"], inputs["bakeSeconds"], inputs["code"])


def _outputs(call: Call, resource_id: str, inputs: Values, outcome: Outcome) -> Values:
    made = {
        "number": outcome.number,
        "digest": digest(inputs["document"]),
        "serving": outcome.serving,
        "silent": list(outcome.silent),
    }
    for name in outcome.silent:
        call.warn(f"machine {name} has not been heard of; it takes release {outcome.number} when it is back")
    if outcome.lagging:
        reasons = [f"`{name}` does not serve release {outcome.number}: {s}" for name, s in outcome.lagging.items()]
        raise InitFailedError(resource_id, made, reasons)
    return made


def _changes(inputs: Values, state: Values) -> list[str]:
    lines = []
    if all(isinstance(values.get("document"), dict) for values in (inputs, state)):
        lines += differences(state["document"], inputs["document"])
    if all(isinstance(values.get("members"), dict) for values in (inputs, state)):
        lines += member_differences(state["members"], inputs["members"])
    before, after = state.get("generations"), inputs["generations"]
    if isinstance(before, dict) and isinstance(after, dict):
        lines += [f"machine {n} is made anew" for n in sorted(before.keys() & after.keys()) if before[n] != after[n]]
    if all(isinstance(values.get("code"), dict) for values in (inputs, state)):
        lines += code_differences(state["code"], inputs["code"])
    return lines


def _otherwise(call: Call, inputs: Values, standing: Standing, *, told: bool) -> bool:
    # Whether something else is in force than what the stack believes; `told`: this run changes it anyway.
    newest = standing.newest
    if newest is None:
        call.remark(f"the API machines know no release of {inputs['scope']}: it is released again")
    elif not newest.whole:
        call.remark(f"release {newest.number} stands at {', '.join(newest.released)} since its roll-out ended early")
    elif newest.document == inputs["document"]:
        return False
    elif not told:
        _tell(call, differences(newest.document, inputs["document"]), f"release {newest.number} is in force: ")
    return True


def _tell(call: Call, lines: list[str], prefix: str = "") -> None:
    for line in shortened(lines):
        call.remark(prefix + line)


def _alive(report: Report | None, pace: Pace) -> bool:
    return report is not None and report.seen_seconds <= pace.live
