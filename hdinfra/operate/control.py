"""From the stack's state to its management API: where it answers, and the keys with which one may ask and sign."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.errors import ControlError, OperateError, WorkspaceError
from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.api import Api, Endpoint
from hdinfra.plugins.policy.plane import ControlPlane, Standing

Json = dict[str, Any]
_KEYS = "hdpolicy:index:Keys"
_STILL_RUNNING = "every machine, each serving its last policy"


@dataclass(frozen=True, slots=True)
class Keys:
    """What the stack alone has. Nothing of it is ever printed."""

    root: str = field(repr=False)
    signing: str = field(repr=False)
    admin_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Control:
    """The API machines of one zone; any one of them is enough for all that is asked here. Closed by leaving it.

    Every question ends with ControlError when they refuse, or when none answers.
    """

    keys: Keys
    endpoints: Sequence[Endpoint]
    plane: ControlPlane

    def __enter__(self) -> "Control":
        return self

    def __exit__(self, *_: object) -> None:
        self.plane.close()

    def apart(self) -> "Control":
        """The same with connections of its own, for another thread. To be closed like this one."""
        return connected(self.plane.zone, self.keys, self.endpoints)

    def ask_all(self, path: str) -> list[Json]:
        """What every API machine says that answers."""
        answers = self.plane.ask(lambda api: api.get(path))
        if answers.given:
            return [answers.given[name] for name in sorted(answers.given)]
        if answers.refused:
            raise refusal(next(iter(answers.refused.values())))
        raise self.silence("; ".join(answers.silent.values()))

    def standing(self, scope: str) -> Standing:
        """The releases of a scope and what was set through the API; the scope must have a release."""
        try:
            standing = self.plane.standing(scope)
        except PluginError as refused:
            raise refusal(refused) from None
        if standing is None:
            raise self.silence()
        if standing.newest is None:
            known = ", ".join(sorted(self.releases())) or "none yet"
            raise ControlError(f"There is no policy of scope `{scope}`.", retry=f"one of: {known}")
        return standing

    def machines(self) -> dict[str, Json]:
        """What each machine said last, by name: from the API machine that heard it last."""
        return _best((one for answer in self.ask_all("/v1/machines") for one in answer["machines"]), "name", _lateness)

    def withdraw(self, machine: str) -> bool:
        """End the machine's enrolment, so that its key is refused; whether it had one."""
        answers = self.plane.ask(lambda api: api.delete(f"/v1/machines/{machine}/enrolment"))
        if answers.given:
            return True
        unknown = [refused.code == "machine.unknown" for refused in answers.refused.values()]
        if unknown and all(unknown):
            return False
        if answers.refused:
            raise refusal(next(iter(answers.refused.values())))
        raise self.silence("; ".join(answers.silent.values()))

    def releases(self) -> dict[str, Json]:
        """The newest release of every scope that any API machine knows, without its document."""
        told = (one for answer in self.ask_all("/v1/policies") for one in answer["policies"])
        return _best(told, "scope", lambda release: (-release["number"], -len(release["released"])))

    def alarms(self) -> list[Json]:
        """Every alarm once, oldest first; what several API machines noticed counts from the first."""
        told = [alarm for answer in self.ask_all("/v1/alarms") for alarm in answer["alarms"]]
        latest_first = sorted(told, key=lambda alarm: -alarm["at"])
        once = {(alarm["code"], alarm["machine"], alarm["message"]): alarm for alarm in latest_first}
        return sorted(once.values(), key=lambda alarm: (alarm["at"], alarm["code"]))

    def silence(self, cause: str = "") -> ControlError:
        """That nobody answers, and what still runs."""
        names = self.plane.names or "none is declared"
        return ControlError(
            f"No API machine answers ({names})" + (f": {cause}" if cause else "."),
            running=_STILL_RUNNING,
            retry="hdinfra status, then hdinfra up",
        )


def refusal(refused: PluginError) -> ControlError:
    """The API's own words."""
    return ControlError(f"The management API refused: {refused}")


def open_control(engine: Engine) -> Control:
    """The running stack's. WorkspaceError when it is not up, or has no management API."""
    return control_of(engine.deployed_with_secrets(), engine.workspace.stack)


def control_of(deployed: Deployed | None, stack: str) -> Control:
    """The management API of a state that was read with its secrets."""
    found = plain(deployed.outputs.get("control")) if deployed else None
    keys = _keys(deployed) if deployed else None
    if not found or not found["endpoints"] or keys is None:
        raise WorkspaceError(f"Stack `{stack}` has no management API yet.", retry=f"hdinfra up --stack {stack}")
    return connected(str(found["zone"]), keys, [Endpoint.of(one) for one in found["endpoints"]])


def connected(zone: str, keys: Keys, endpoints: Sequence[Endpoint]) -> Control:
    """Ready to ask; nothing is said to anybody yet."""
    apis = [Api(endpoint, keys.root, keys.admin_token) for endpoint in endpoints]
    return Control(keys, endpoints, ControlPlane(apis, zone, keys.signing))


def alarms_of(deployed: Deployed | None, stack: str) -> list[Json]:
    """The alarms as far as any API machine answers; none where there is no management API."""
    try:
        with control_of(deployed, stack) as control:
            return control.alarms()
    except OperateError:
        return []


def plain(value: Any) -> Any:
    """A value of the engine's state without the wrapping of secrets."""
    if isinstance(value, Mapping):
        if "plaintext" in value:
            return json.loads(value["plaintext"])
        return {key: plain(one) for key, one in value.items()}
    return [plain(one) for one in value] if isinstance(value, list) else value


def _keys(deployed: Deployed) -> Keys | None:
    for resource in deployed.resources:
        if resource["type"] == _KEYS and not resource.get("delete"):
            outputs = plain(resource.get("outputs") or {})
            return Keys(outputs["root"], outputs["signingKey"], outputs["adminToken"])
    return None


def _best(told: Iterable[Json], name: str, order: Callable[[Json], Any]) -> dict[str, Json]:
    """Of all that goes by one name what comes first in that order."""
    found: dict[str, Json] = {}
    for one in told:
        if one[name] not in found or order(one) < order(found[one[name]]):
            found[one[name]] = one
    return dict(sorted(found.items()))


def _lateness(machine: Mapping[str, Any]) -> float:
    seen = machine.get("seen_seconds")
    return float("inf") if seen is None else float(seen)
