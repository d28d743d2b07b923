"""`hdinfra replace-host` edits an inventory as a careful person would, and is never half done."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.model.hardware.replacement import BY_LEAVE, Wish
from hdinfra.model.spec_file import load_hardware, parse_hardware
from hdinfra.operate import cli
from hdinfra.operate.control import Control
from hdinfra.operate.errors import ControlError, WorkspaceError
from hdinfra.operate.replace_host import Ordered, carry_out, heard_now, ordered
from tests.engine.policy_api import StandInApi, StandInFleet, serving_api
from tests.model.hardware_specs import EXAMPLE
from tests.model.policy_zone import StackKeys, control_of_apis, refusal

TEXT = (EXAMPLE / "hardware.yaml").read_text().replace("spares: [iron-5, iron-6]", "spares: [iron-5]")
WISH = Wish("web-2", "iron-5", in_spite_of=BY_LEAVE)
FLOWING = """\
  - {name: web-2, server: 'iron-3', role: waf, ipv4: 192.0.2.12/24, gateway4: 192.0.2.1, # mine
     ipv6: 2001:db8:1::12/64, gateway6: fe80::1}
"""


def styled(name: str) -> str:
    """The example's text as other people would write it."""
    match name:
        case "windows":
            return TEXT.replace("\n", "\r\n")
        case "block":
            return TEXT.replace("spares: [iron-5]\n", "spares:   # idle ones\n  # in b1\n  - iron-5   # the last\n")
        case "flow":
            begin, end = TEXT.index("  - name: web-2\n"), TEXT.index("  - name: edge-1\n")
            return TEXT[:begin] + FLOWING + TEXT[end:]
        case "quoted":
            return TEXT.replace("server: iron-3", 'server: "iron-3"  # since spring').replace("[iron-5]", '["iron-5"]')
        case _:
            return TEXT


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """A copy of the example's inventory."""
    path = tmp_path / "hardware.yaml"
    path.write_bytes(TEXT.encode())
    return path


def run(inventory: Path, *arguments: str, host: str = "web-2", spare: str = "iron-5") -> int:
    """The command on that inventory."""
    return cli.run(["replace-host", host, "--with", spare, "--file", str(inventory), *arguments])


def servers(path: Path) -> dict[str, str]:
    """Which host is where."""
    return {host.name: host.server for host in load_hardware(path).hosts}


def quiet(_: str) -> None:
    """Nobody listens."""


@pytest.mark.parametrize("style", ["as it is", "windows", "block", "flow", "quoted"])
@pytest.mark.parametrize("old_is_well", [False, True])
def test_two_lines_change_and_all_else_stays(inventory: Path, style: str, old_is_well: bool) -> None:
    before = styled(style)
    inventory.write_bytes(before.encode())
    assert run(inventory, *(["--old-is-well"] if old_is_well else [])) == 0
    after = inventory.read_bytes().decode()
    wanted = yaml.safe_load(before)
    wanted["hosts"][1]["server"], wanted["spares"] = "iron-5", ["iron-3"] if old_is_well else []
    assert yaml.safe_load(after) == wanted
    assert sum(line not in after.splitlines() for line in before.splitlines()) <= 3
    comments = [line.partition("#")[2] for line in before.splitlines() if "#" in line and "the last" not in line]
    assert all(comment in after for comment in comments)
    assert after.count("\n") == after.count("\r\n") or "\r" not in after


def test_the_file_keeps_its_mode_and_a_link_stays_one(inventory: Path, tmp_path: Path) -> None:
    inventory.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(inventory)
    assert run(link) == 0
    assert link.is_symlink()
    assert stat.S_IMODE(inventory.stat().st_mode) == 0o640
    assert servers(inventory)["web-2"] == "iron-5"


def test_what_is_left_to_do_is_told(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(inventory) == 0
    said = capsys.readouterr()
    steps = [line for line in said.out.splitlines() if line[:1].isdigit()]
    assert [step[:2] for step in steps] == ["1.", "2.", "3.", "4."]
    assert "switch `iron-3` off" in steps[0]
    assert "hdinfra up" in steps[1]
    assert "no `--stack` was named" in steps[1]
    assert "wipe the disks of `iron-3`" in steps[2]
    assert "spare.per-model-and-site" in steps[3]
    assert "S64FNE0R802501" in said.out
    assert "0c:42:a1:00:05:00" in said.out
    assert "wrote hardware.yaml" in said.err


def test_a_dry_run_tells_the_same_and_does_nothing(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(inventory, "--dry-run", "--json") == 0
    would = json.loads(capsys.readouterr().out)
    assert inventory.read_text() == TEXT
    assert run(inventory, "--json") == 0
    assert json.loads(capsys.readouterr().out) == would
    assert (would["from"], would["to"], would["role"], would["spares"]) == ("iron-3", "iron-5", "waf", [])
    assert would["changes"] == ["-spares: [iron-5]", "+spares: []", "-    server: iron-3", "+    server: iron-5"]
    assert would["disks"] == ["S64FNE0R802501", "S64FNE0R802502"]


def test_the_same_order_again_changes_nothing(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(inventory) == 0
    once = inventory.read_text()
    capsys.readouterr()
    assert run(inventory, "--json") == 0
    told = capsys.readouterr()
    assert inventory.read_text() == once
    assert "already" in told.err
    assert json.loads(told.out)["done_before"] is True
    assert json.loads(told.out)["next"] == []


def test_a_refused_replacement_leaves_the_file(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(inventory, "--json", host="web-1") == 2
    told = json.loads(capsys.readouterr().out)
    assert [one["rule"] for one in told["refusals"]] == ["replace.weaker"]
    assert inventory.read_text() == TEXT
    assert run(inventory, "--in-spite-of", "replace.weaker", host="web-1") == 0
    assert servers(inventory)["web-1"] == "iron-5"


def test_a_rule_that_has_to_hold_cannot_be_set_aside(inventory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(inventory, "--in-spite-of", "replace.disks") == 2
    assert "replace.still-needed" in capsys.readouterr().err
    assert inventory.read_text() == TEXT


def test_a_file_that_somebody_changed_meanwhile_stays_theirs(inventory: Path) -> None:
    order = ordered(inventory, WISH)
    inventory.write_text(TEXT + "# mine\n")
    with pytest.raises(WorkspaceError, match="changed meanwhile"):
        carry_out(order, None, quiet)
    assert inventory.read_text() == TEXT + "# mine\n"


def test_a_missing_inventory_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "none.yaml") == 2
    assert "spec.file" in capsys.readouterr().err


class _Withdrawing(StandInApi):
    """With the route that ends a machine's enrolment."""

    withdrawn: list[str]

    def answer(self, method: str, path: str, body: Any, authorized: bool) -> tuple[int, dict[str, Any]]:
        """As the API does it."""
        if method == "DELETE" and authorized:
            machine = path.removeprefix("/v1/machines/").removesuffix("/enrolment")
            if machine == "never":
                return refusal(404, "machine.unknown", "no machine of that name")
            if machine == "web-1":
                return refusal(403, "role.denied", "not you")
            self.withdrawn.append(machine)
            return 200, {"serial": 1}
        return super().answer(method, path, body, authorized)


@pytest.fixture
def api(keys: StackKeys, tmp_path: Path) -> Iterator[_Withdrawing]:
    """One API machine; web-2 serves."""
    fleet = StandInFleet(keys)
    for name, how in (("web-2", {}), ("edge-1", {"serving": False}), ("edge-2", {"seen_seconds": 31.0})):
        fleet.machine(name, **how).number = 1
    with serving_api(fleet, "a-control-1", tmp_path) as serving:
        serving.__class__ = _Withdrawing
        assert isinstance(serving, _Withdrawing)
        serving.withdrawn = []
        yield serving


@pytest.fixture
def control(keys: StackKeys, api: _Withdrawing) -> Iterator[Control]:
    """The operator's side of it."""
    with control_of_apis(keys, api.endpoint) as opened:
        yield opened


def test_the_key_is_withdrawn_before_the_file_is_written(inventory: Path, control: Control, api: _Withdrawing) -> None:
    said: list[str] = []

    def say(text: str) -> None:
        said.append(f"{text} ({servers(inventory)['web-2']})")

    carry_out(ordered(inventory, WISH), control, say)
    assert api.withdrawn == ["web-2"]
    assert said == ["the key of `web-2` on `iron-3` is refused from now on (iron-3)", "wrote hardware.yaml (iron-5)"]
    carry_out(ordered(inventory, WISH), control, quiet)
    assert api.withdrawn == ["web-2"]


def test_a_host_that_never_enrolled_has_no_key(control: Control) -> None:
    assert control.withdraw("never") is False


def test_an_api_that_refuses_or_is_silent_leaves_the_file(inventory: Path, control: Control, keys: StackKeys) -> None:
    order = ordered(inventory, Wish("web-1", "iron-5", in_spite_of=BY_LEAVE))
    with pytest.raises(ControlError, match=r"role\.denied"):
        carry_out(order, control, quiet)
    nobody = {"name": "a-control-1", "address": "127.0.0.1", "port": 1}
    with control_of_apis(keys, nobody) as silent, pytest.raises(ControlError, match="No API machine answers"):
        carry_out(order, silent, quiet)
    assert inventory.read_text() == TEXT


def test_who_serves_is_asked_of_the_api(control: Control) -> None:
    heard = heard_now(Wish("web-2", "iron-5"), control).serving
    assert heard == frozenset({"web-2"})
    assert heard_now(Wish("web-2", "iron-5"), None).serving is None


_STAGES = ("before the file", "before its rename", "after its rename", "at the end")
_KILLED = """
import os, signal, sys
from pathlib import Path
from hdinfra.operate import cli, workspace

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

stage, file = sys.argv[1:]
replace = Path.replace
match stage:
    case "before the file":
        workspace.tempfile.mkstemp = die
    case "before its rename":
        Path.replace = die
    case "after its rename":
        Path.replace = lambda one, other: (replace(one, other), die())
cli.run(["replace-host", "web-2", "--with", "iron-5", "--file", file])
die()
"""


@pytest.mark.parametrize("stage", _STAGES)
def test_killed_at_any_moment_it_is_done_or_not_and_the_same_again_does_it(inventory: Path, stage: str) -> None:
    # Our own interpreter and text.
    ended = subprocess.run([sys.executable, "-c", _KILLED, stage, str(inventory)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    left = parse_hardware(inventory.read_text())
    done = stage in {"after its rename", "at the end"}
    assert {host.name: host.server for host in left.hosts}["web-2"] == ("iron-5" if done else "iron-3")
    assert left.spares == (() if done else ("iron-5",))
    assert run(inventory) == 0
    assert servers(inventory)["web-2"] == "iron-5"


def test_an_order_is_plain_text_before_and_after(inventory: Path) -> None:
    order: Ordered = ordered(inventory, WISH)
    assert order.before == TEXT
    assert parse_hardware(order.after).spares == ()
    assert os.fspath(order.path) == str(inventory.resolve())
