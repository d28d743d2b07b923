"""`hdinfra hardware check` on examples/rack: what it says is what the README shows; each broken variant is refused."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from hdinfra.operate import cli
from tests.model.hardware_specs import EXAMPLE, rack
from tests.model.legal import Change, setting
from tests.model.refused_hardware import HARDWARE
from tests.model.refused_ups import UPS

INVENTORY = EXAMPLE / "hardware.yaml"
BROKEN = sorted((EXAMPLE / "broken").glob("*.patch"))
README = (EXAMPLE / "README.md").read_text(encoding="utf-8")


def patched(patch: Path) -> str:
    """The example with that unified diff applied, as `patch` would."""
    left, made, at = INVENTORY.read_text().splitlines(keepends=True), "", 0
    for line in patch.read_text().partition("\n+++ hardware.yaml\n")[2].splitlines(keepends=True):
        if hunk := re.match(r"@@ -(\d+)", line):
            start = int(hunk[1]) - 1
            made, at = made + "".join(left[at:start]), start
            continue
        if line[0] in " -":
            assert left[at] == line[1:], f"{patch.name}: line {at + 1} is another one"
            at += 1
        made += line[1:] if line[0] in " +" else ""
    return made + "".join(left[at:])


def block(command: str) -> list[str]:
    """What the README shows below that command."""
    found = re.search(rf"^```\n\$ {re.escape(command)}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found, command
    return found[1].splitlines()


def lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines()]


def check(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit code, data and talk."""
    code = cli.run(["hardware", "check", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "hardware.yaml"


def changed(file: Path, *changes: Change) -> str:
    file.write_text(yaml.safe_dump(rack(*changes)))
    return str(file)


def test_it_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = check(capsys, "--help")
    assert code == 0
    assert "Examples: hdinfra hardware check" in said


def test_the_example_is_well_and_the_readme_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, talk = check(capsys, str(INVENTORY))
    assert (code, talk) == (0, "")
    assert lines(said) == block("hdinfra hardware check hardware.yaml")


def test_every_rule_has_a_broken_variant() -> None:
    cases = (*HARDWARE, *UPS)
    assert {patch.stem for patch in BROKEN} == {case.rule for case in cases if not case.rule.startswith("spec.")}


@pytest.mark.parametrize("patch", BROKEN, ids=lambda patch: patch.stem)
def test_a_broken_variant_breaks_its_rule_alone(patch: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(patched(patch))
    code, said, _ = check(capsys, str(file), "--json")
    assert code == 2
    assert [refusal["rule"] for refusal in json.loads(said)["refusals"]] == [patch.stem]


def test_the_readme_shows_a_refusal(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(patched(EXAMPLE / "broken/power.two-chains.patch"))
    code, said, talk = check(capsys, str(file))
    assert (code, said) == (2, "")
    command = "patch -s -o - hardware.yaml broken/power.two-chains.patch | hdinfra hardware check /dev/stdin"
    assert lines(talk) == block(command)


def test_all_refusals_at_once_sorted_by_path(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    several = changed(
        file,
        setting("servers.0.psus.1.feed", "a1-red"),
        setting("services.0.listeners.0.ipv6", None),
        setting("hosts.1.gateway4", "192.0.3.1"),
        setting("servers.1.disks.1.size_mib", 7_000),
        setting("servers.2.disks.1", {"size_mib": 915_715}),
        setting("services.1.needs", 2),
        setting("spares", []),
        setting("switches.0.uplinks", ["gate-a"]),
    )
    code, said, _ = check(capsys, several, "--json")
    assert code == 2
    assert [refusal["rule"] for refusal in json.loads(said)["refusals"]] == [
        "host.gateway", "power.two-chains", "raid.disk-too-small", "raid.disk-serial", "ipv6.native",
        "placement.spread-racks", "spare.per-model-and-site", "network.two-ways-out",
    ]  # fmt: skip


def test_json_has_every_loss(capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = check(capsys, str(INVENTORY), "--json")
    assert code == 0
    found: dict[str, Any] = json.loads(said)
    assert found["losses"][0]["parts"] == [{"kind": "site", "name": "par1"}]
    assert found["losses"][0]["down"] == ["inspection", "front"]
    assert found["losses"][0]["tightest"]["headroom"] == -1
    assert {part["kind"] for loss in found["losses"] for part in loss["parts"]} >= {"disk", "power supply", "UPS"}
    assert found["services"][0] == {
        "service": "inspection", "needs": 1, "powered": 2, "reachable": 2, "serving": 2, "headroom": 1,
    }  # fmt: skip
    assert len(found["pairs"]) == 8
    assert found["remarks"] == []


def test_the_picture_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "racks.svg"
    assert check(capsys, str(INVENTORY), "--svg", str(path))[0] == 0
    assert ET.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "nowhere/racks.svg"
    code, _, talk = check(capsys, str(INVENTORY), "--svg", str(path))
    assert code == 1
    assert str(path) in talk
    assert "--svg" in talk


def test_what_is_refused_draws_nothing(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "racks.svg"
    broken = changed(file, setting("spares", []))
    assert check(capsys, broken, "--svg", str(path))[0] == 2
    assert not path.exists()


def test_remarks_are_told_and_refuse_nothing(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = check(capsys, changed(file, setting("servers.0.disks.1.size_mib", 457_862)))
    assert code == 0
    assert "servers[0].disks: `iron-1` has disks of 457,862 and 915,715 MiB" in said


def test_an_inventory_without_hosts_has_nothing_to_lose(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nobody_watches = (setting(f"upss.{number}.nut", None) for number in (0, 1))
    code, said, _ = check(capsys, changed(file, setting("hosts", []), setting("services", []), *nobody_watches))
    assert code == 0
    assert "0 hosts, 0 services" in said


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, talk = check(capsys, str(tmp_path / "none.yaml"))
    assert code == 2
    assert talk.startswith("spec.file")
