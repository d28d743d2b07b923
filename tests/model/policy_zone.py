"""A zone's management API for tests of the operator's verbs: the stand-in of the plugin's tests, with all routes."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from hdinfra.operate.control import Control, Keys, connected
from hdinfra.operate.engine import Deployed
from hdinfra.plugins.policy.api import Endpoint
from hdinfra.protocol.release import Release
from tests.engine.policy_api import TOKEN, ZONE, StackKeys, StandInApi, StandInFleet, refusal, serving_api

SCOPE = "instance-web"
MEMBERS = {"a-web-1": "a", "a-web-2": "a", "b-web-1": "b"}
_SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}


def site(host: str, **changes: Any) -> dict[str, Any]:
    """A site as the model writes it."""
    usual = {"host": host, "tenant": "acme", "mode": "RECORD", "paranoia": 1, "exclusions": [], "health_path": "/"}
    ceilings = {"lowest_mode": "BYPASS", "highest_paranoia": 4, "most_exclusions": 16}
    origins = [{"address": "198.51.100.1", "port": 80}]
    return usual | ceilings | {"origins": origins, "response_timeout_seconds": 2} | changes


def document(*sites: dict[str, Any]) -> dict[str, Any]:
    """A WAF policy."""
    return {"app": "waf", "schema_version": 1, "edges": [], "sites": list(sites)}


def release(number: int, said: Mapping[str, Any], **changes: Any) -> Release:
    """A release of the web Instance that everybody may have."""
    usual = {"zone": ZONE, "scope": SCOPE, "issued_at": 1_790_000_000 + number, "members": MEMBERS}
    return Release(**{**usual, "number": number, "released": tuple(MEMBERS), "document": said, **changes})


class WholeApi(StandInApi):
    """With the routes that only operators ask."""

    alarms: list[dict[str, Any]]

    def answer(self, method: str, path: str, body: Any, authorized: bool) -> tuple[int, dict[str, Any]]:
        """The routes of the contract."""
        if not authorized:
            return super().answer(method, path, body, authorized)
        if path == "/v1/alarms":
            return 200, {"alarms": self.alarms}
        if path == "/v1/policies":
            return 200, {"policies": [self._summary(scope) for scope in sorted(self.fleet.sealed)]}
        status, found = super().answer(method, path, body, authorized)
        if status == 200 and path.count("/") == 3 and method == "GET":
            found |= {"document": self.fleet.releases(path.rpartition("/")[2])[0].document, "ignored": []}
        return status, found

    def _summary(self, scope: str) -> dict[str, Any]:
        told = self.fleet.told_scope(scope)[1]["release"]
        return {name: told[name] for name in told.keys() - {"document", "sealed", "code", "zone"}}


class Fleet(StandInFleet):
    """The web Instance's machines, all serving release 1."""

    def __init__(self, keys: StackKeys) -> None:
        super().__init__(keys)
        for name in MEMBERS:
            self.machine(name)

    def endow(self, *releases: Release) -> None:
        """As a stack published them before; the machines have the newest that names them."""
        for one in releases:
            self.publish(one.scope, one)
        self.told_machines()


@contextmanager
def serving_zone(fleet: StandInFleet, folder: Path, *names: str) -> Iterator[list[WholeApi]]:
    """API machines of these names."""
    with ExitStack() as stack:
        apis = [stack.enter_context(serving_api(fleet, name, folder)) for name in names]
        for api in apis:
            api.__class__ = WholeApi
            api.alarms = []
        yield apis


def control_of_apis(keys: StackKeys, *endpoints: Mapping[str, Any]) -> Control:
    """The operator's side of them."""
    return connected(ZONE, Keys(keys.root, keys.signing, TOKEN), [Endpoint.of(one) for one in endpoints])


def state_of(keys: StackKeys, *endpoints: Mapping[str, Any], **outputs: Any) -> Deployed:
    """The engine's state of such a stack, exported with its secrets."""

    def secret(value: str) -> dict[str, str]:
        return {**_SECRET, "plaintext": json.dumps(value)}

    own = {"root": keys.root, "signingKey": secret(keys.signing), "adminToken": secret(TOKEN)}
    stack = {"control": {"zone": ZONE, "endpoints": list(endpoints)}, **outputs}
    return Deployed(
        {
            "deployment": {
                "resources": [
                    {"type": "pulumi:pulumi:Stack", "urn": "urn::stack", "outputs": stack},
                    {"type": "hdpolicy:index:Keys", "urn": "urn::keys", "outputs": own},
                ]
            }
        }
    )


__all__ = ["TOKEN", "ZONE", "StackKeys", "refusal"]
