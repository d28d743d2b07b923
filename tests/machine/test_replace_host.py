"""`hdinfra replace-host` against the real management API: the old server is refused, the spare is who it was."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hdinfra.model.hardware.replacement import Wish
from hdinfra.model.refusal import RefusedError
from hdinfra.model.spec_file import load_hardware
from hdinfra.operate.control import Control, Keys
from hdinfra.operate.replace_host import carry_out, heard_now, ordered
from hdinfra.plugins.policy.api import ApiRefusedError, Endpoint
from hdinfra.plugins.policy.plane import ControlPlane
from hdinfra.protocol.release import open_release
from hdinfra.protocol.seal import new_key, public_of
from tests.machine.control_fixtures import SCOPE, SYSTEM, ZONE, Api, enrolled, refusal, report

INVENTORY = Path(__file__).parents[2] / "examples/rack/hardware.yaml"
HOST = "web-2"
MEMBERS = {"web-1": "a", HOST: "b"}


@dataclass
class _InProcess:
    """What a client of the API is to the operator's side, without TLS in between."""

    api: Api
    timeout: float = 60

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.api.name, "127.0.0.1", 1)

    def get(self, path: str) -> dict[str, Any]:
        return _judged(self.api.get(path, SYSTEM))

    def delete(self, path: str) -> dict[str, Any]:
        return _judged(self.api.delete(path, SYSTEM))

    def close(self) -> None:
        """Nothing is open."""


def _judged(answer: httpx.Response) -> dict[str, Any]:
    said: dict[str, Any] = answer.json()
    if answer.status_code >= 400:
        raise ApiRefusedError(answer.status_code, said["error"], said["message"])
    return said


@pytest.fixture
def control(api: Api) -> Iterator[Control]:
    """The operator's side; every machine may have release 1."""
    api.publish(api.stack.release(members=MEMBERS, released=tuple(MEMBERS)))
    client: Any = _InProcess(api)
    with Control(Keys("", "", SYSTEM), [client.endpoint], ControlPlane([client], ZONE, new_key())) as opened:
        yield opened


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example's."""
    path = tmp_path / "hardware.yaml"
    path.write_text(INVENTORY.read_text())
    return path


def quiet(_: str) -> None:
    """Nobody listens."""


def test_the_old_server_is_refused_and_the_spare_has_role_and_policy(
    api: Api, control: Control, inventory: Path
) -> None:
    old, other = enrolled(api, HOST), enrolled(api, "web-1")
    for machine in (old, other):
        assert api.post("/v1/report", report(), machine).status_code == 200
    wish = heard_now(Wish(HOST, "iron-5"), control)
    assert wish.serving == frozenset(MEMBERS)
    carry_out(ordered(inventory, wish), control, quiet)
    assert {host.name: host.server for host in load_hardware(inventory).hosts}[HOST] == "iron-5"
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
    assert refusal(api.post("/v1/renew", {"csr": old.csr}, old)) == (403, "certificate.superseded")
    new = enrolled(api, HOST)
    offered = api.get("/v1/sync", new).json()["releases"]
    assert [open_release(one, public_of(api.stack.key), ZONE).scope for one in offered] == [SCOPE]
    assert api.post("/v1/report", report(), new).status_code == 200
    told = control.machines()[HOST]
    assert (told["role"], told["scope"], told["cluster"], told["serving"]) == ("waf", SCOPE, "b", True)
    assert refusal(api.get("/v1/sync", old)) == (403, "certificate.superseded")
    assert api.get("/v1/sync", other).status_code == 200


def test_the_last_host_that_serves_keeps_its_key(api: Api, control: Control, inventory: Path) -> None:
    last = enrolled(api, HOST)
    api.post("/v1/report", report(), last)
    with pytest.raises(RefusedError, match=r"replace\.still-needed"):
        ordered(inventory, heard_now(Wish(HOST, "iron-5"), control))
    assert api.get("/v1/sync", last).status_code == 200


def test_a_host_that_never_came_moves_without_a_key(control: Control, inventory: Path) -> None:
    said: list[str] = []
    carry_out(ordered(inventory, Wish(HOST, "iron-5")), control, said.append)
    assert said[0].startswith(f"no machine `{HOST}` was ever enrolled")
