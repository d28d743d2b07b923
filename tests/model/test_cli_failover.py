"""`hdinfra failover` on examples/failover: what it says is what docs/failover.md shows."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.operate import cli
from tests.model.failover_specs import pair
from tests.model.legal import Change, setting

EXAMPLE = "examples/failover/failover.yaml"
DOCUMENT = Path("docs/failover.md").read_text(encoding="utf-8")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, data and talk."""
    code = cli.run(["failover", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def data(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    """What it says as JSON."""
    code, said, talk = run(capsys, *arguments, "--json")
    assert (code, talk) == (0, "")
    found: dict[str, Any] = json.loads(said)
    return found


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def block(command: str) -> list[str]:
    """What the document shows below that command."""
    found = re.search(rf"^```\n\$ {re.escape(command)}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert found, command
    return found[1].splitlines()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "failover.yaml"


def changed(file: Path, *changes: Change) -> str:
    file.write_text(yaml.safe_dump(pair(*changes)))
    return str(file)


@pytest.mark.parametrize("verb", ["check", "simulate"])
def test_it_explains_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, verb, "--help")
    assert code == 0
    assert f"Examples: hdinfra failover {verb}" in said


@pytest.mark.parametrize("arguments", [("check", EXAMPLE), ("simulate", EXAMPLE, "--outage", "on-prem:120")])
def test_the_document_shows_what_is_said(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, said, talk = run(capsys, *arguments)
    assert (code, talk) == (0, "")
    assert lines(said) == block(f"hdinfra failover {' '.join(arguments)}")


def test_the_document_shows_a_refusal(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_text(Path(EXAMPLE).read_text().replace("rto_seconds: 60", "rto_seconds: 40"))
    code, said, talk = run(capsys, "check", str(file))
    assert (code, said) == (2, "")
    assert lines(talk) == block(
        "sed 's/rto_seconds: 60/rto_seconds: 40/' " + EXAMPLE + " | hdinfra failover check /dev/stdin"
    )


def test_check_tells_every_part_of_the_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert data(capsys, "check", EXAMPLE)["seconds"] == {
        "waiting": 30, "attempts": 10, "detect": 40, "edge": 5, "ttl": 0, "recover": 45, "fail_back": None,
    }  # fmt: skip


@pytest.mark.parametrize("verb", [("check",), ("simulate", "--outage", "on-prem")])
def test_all_refusals_at_once(verb: tuple[str, ...], file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = changed(
        file,
        setting("database", True),
        setting("rto_seconds", 29),
        setting("fallback", None),
        setting("pools.1.endpoints.0.tunnel", "on-prem"),
        setting("monitor", {"interval_seconds": 10}),
    )
    code, said, _ = run(capsys, verb[0], broken, *verb[1:], "--json")
    assert code == 2
    assert [refusal["rule"] for refusal in json.loads(said)["refusals"]] == [
        "edge.failback-database", "edge.fallback", "edge.interval", "edge.interval", "edge.tunnel-twice", "edge.rto",
    ]  # fmt: skip


def test_a_simulation_has_every_probe_and_switch(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = data(capsys, "simulate", changed(file), "--outage", "on-prem:100", "--at", "10")
    assert found["outages"] == [{
        "pool": "on-prem", "start_seconds": 10, "end_seconds": 110, "idle": False,
        "switched_after_seconds": 65, "served_after_seconds": 70, "back_after_seconds": 15,
    }]  # fmt: skip
    switches = [(event["at_seconds"], event["serving"]) for event in found["events"] if event["what"] == "switch"]
    assert switches == [(0, ["on-prem"]), (75, ["hetzner"]), (120, ["on-prem"])]
    failed = [event for event in found["events"] if event["what"] == "failed"]
    assert failed == [{"at_seconds": 75, "what": "failed", "pool": "on-prem", "endpoint": "rack", "attempts": 3}]
    passed = {(event["pool"], event["at_seconds"]) for event in found["events"] if event["what"] == "passed"}
    assert {("on-prem", 0), ("hetzner", 0), ("hetzner", 60), ("on-prem", 120), ("hetzner", 120)} <= passed


def test_the_worst_moment_is_what_is_taken(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outage,) = data(capsys, "simulate", changed(file), "--outage", "on-prem")["outages"]
    assert (outage["switched_after_seconds"], outage["served_after_seconds"]) == (74.999, 79.999)
    assert (outage["end_seconds"], outage["back_after_seconds"]) == (None, None)


def test_both_sites_at_once_leave_the_fallback(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = ("--outage", "on-prem", "--outage", "hetzner:300")
    code, said, _ = run(capsys, "simulate", changed(file, setting("fallback", "on-prem")), *both)
    assert code == 0
    assert re.search(r"^hetzner +took no users +75 s +took no users", said, re.MULTILINE)
    assert data(capsys, "simulate", str(file), *both)["outages"][1]["idle"] is True


def test_pools_that_are_used_together_are_all_shown(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spread = changed(file, setting("steering", "weighted"), setting("pools.1.weight", 0.5))
    events = data(capsys, "simulate", spread, "--outage", "hetzner")["events"]
    assert [event["serving"] for event in events if "serving" in event] == [["on-prem", "hetzner"], ["on-prem"]]
    assert "by weighted" in run(capsys, "check", spread)[1]


def test_a_drained_pool_is_told(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, said, _ = run(capsys, "check", changed(file, setting("pools.0.drained", True)))
    assert re.search(r"on-prem .* drained: nobody\s", said)
    assert re.search(r"hetzner .* first; when none is up\s", said)


def test_a_pool_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, talk = run(capsys, "simulate", EXAMPLE, "--outage", "on-perm")
    assert code == 2
    assert talk == "No pool is called `on-perm`.\n  try: one of on-prem, hetzner\n"


@pytest.mark.parametrize("length", ["", "x", "0", "-1", "inf", "nan", "86401"])
def test_an_outage_lasts_some_seconds(length: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, talk = run(capsys, "simulate", EXAMPLE, "--outage", f"on-prem:{length}")
    assert code == 2
    assert "86,400" in talk


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, talk = run(capsys, "check", str(tmp_path / "none.yaml"))
    assert code == 2
    assert talk.startswith("spec.file")
