"""Seats under the real engine: no change is no change, a renewal is in place, a replacement never needs two."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.licence.licence import Licence, issue
from hdinfra.protocol.seal import new_key, public_of
from tests.engine.conftest import EngineWorkspace

PROGRAM = """\
import json, pulumi
from hdinfra.plugins.licence import resources as licence

given = json.loads(open("given.json").read())
provider = licence.Provider("licences")
for slot in range(given["machines"]):
    seat = licence.Seat(
        f"fw-{slot}", ledger="seats.json", licence=given["licence"], public_key=given["public_key"], instance="fw",
        slot=slot, app="waf", opts=pulumi.ResourceOptions(provider=provider),
    )
    pulumi.export(f"seat-{slot}", {"licence": seat.licence_id, "expires": seat.expires})
"""
KEY = new_key()
NOW = int(time.time())
LICENCE = Licence("acme-1", "acme", ("waf",), 2, NOW - 86_400, NOW + 864_000, (), NOW)


class LicensedStack:
    """The stack `test` and what its program is given."""

    def __init__(self, workspace: EngineWorkspace, main: str) -> None:
        self.workspace = workspace
        workspace.write(PROGRAM, main=main)
        settings = yaml.safe_load((workspace.project / "Pulumi.yaml").read_text())
        settings["plugins"] = {"providers": [{"name": "hdlicence", "path": str(Path(sys.executable).parent)}]}
        (workspace.project / "Pulumi.yaml").write_text(yaml.safe_dump(settings))
        workspace.create_stack()
        self.program = workspace.project / main
        self.ledger = self.program / "seats.json"

    def give(self, machines: int, licence: Licence = LICENCE) -> None:
        """What the next run's program wants."""
        given = {"machines": machines, "licence": issue(licence, KEY), "public_key": public_of(KEY)}
        (self.program / "given.json").write_text(json.dumps(given))

    def held(self) -> dict[str, str]:
        """Who has a seat under which licence, as the ledger has it."""
        seats: list[dict[str, Any]] = json.loads(self.ledger.read_text())["seats"]
        return {f"{seat['stack']} {seat['instance']}/{seat['slot']}": seat["licence"] for seat in seats}


@pytest.fixture
def stack(engine_workspace: EngineWorkspace, request: pytest.FixtureRequest) -> LicensedStack:
    """Its program lies beside Pulumi.yaml unless a test says where else; the ledger lies beside the program."""
    engine_workspace.environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return LicensedStack(engine_workspace, getattr(request, "param", "."))


BOTH = {"project/test fw/0": "acme-1", "project/test fw/1": "acme-1"}


@pytest.mark.parametrize("stack", [".", "stacks"], indirect=True)
def test_a_stacks_whole_life_needs_no_seat_more_than_it_has_machines(stack: LicensedStack) -> None:
    stack.give(2)
    stack.workspace.up()
    assert stack.held() == BOTH
    told = json.loads(stack.workspace.run("stack", "output", "--json"))
    assert told["seat-0"] == {"licence": "acme-1", "expires": LICENCE.expires}
    assert "4 unchanged" in stack.workspace.preview("--refresh", "--expect-no-changes")

    urn = stack.workspace.resources()["fw-0"]["urn"]
    said = stack.workspace.up("--target-replace", urn)
    assert "1 replaced" in said
    assert stack.held() == BOTH
    assert "4 unchanged" in stack.workspace.up("--refresh")

    stack.give(2, replace(LICENCE, id="acme-2", expires=LICENCE.expires + 1))
    assert "2 updated" in stack.workspace.up()
    assert set(stack.held().values()) == {"acme-2"}

    stack.ledger.unlink()  # lost: what the state has is taken anew
    stack.workspace.up("--refresh")
    assert len(stack.held()) == 2
    stack.workspace.destroy()
    assert stack.held() == {}


def test_one_machine_too_many_and_a_second_stack_are_refused_before_anything_is_made(stack: LicensedStack) -> None:
    stack.give(2)
    stack.workspace.up()
    stack.give(3)
    for deed in (stack.workspace.preview, stack.workspace.up):
        said = deed(code=None)
        assert "byol.licence-count: All 2 seats of licence `acme-1` are taken: fw/0 of project/test" in said
    stack.workspace.run("stack", "init", "other")
    said = stack.workspace.up("--stack", "other", code=None)
    assert "byol.licence-count" in said and "fw/1 of project/test" in said
    assert stack.held() == BOTH


@pytest.mark.parametrize("code", ["byol.licence-forged", "byol.licence-expired"])
def test_a_licence_that_does_not_hold_ends_the_preview(stack: LicensedStack, code: str) -> None:
    stack.give(1, replace(LICENCE, expires=NOW - 1) if code == "byol.licence-expired" else LICENCE)
    given = stack.program / "given.json"
    if code == "byol.licence-forged":
        given.write_text(given.read_text().replace("acme-1", "acme-7"))
    assert code in stack.workspace.preview(code=None)
    assert not stack.ledger.exists()
