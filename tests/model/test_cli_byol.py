"""`hdinfra byol bundle`: what is not covered is not written, and what is written is whole and the same every time."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hdinfra.licence.seats import Ledger, Seat, ledger_of, ledger_text
from hdinfra.machine.unmanaged import told_to
from hdinfra.model.policy import WafPolicy
from hdinfra.operate import cli
from tests.model import byol_specs as byol
from tests.model.legal import Change, Data, setting

ALWAYS = byol.licence(not_before=0, expires=byol.YEAR_ENDS * 2)
Bundle = Callable[..., int]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    """Runs the verb on that spec and licence in a folder of its own; the exit code."""

    def run(data: Data, *arguments: str, licence: str = ALWAYS) -> int:
        (tmp_path / "web.yaml").write_text(yaml.safe_dump(data))
        (tmp_path / "acme.licence").write_text(licence)
        return cli.run(["byol", "bundle", str(tmp_path / "web.yaml"), "--out", str(tmp_path / "out"), *arguments])

    return run


def written(folder: Path) -> dict[str, bytes]:
    """Every file below, by path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def seats(folder: Path) -> list[tuple[str, str, int]]:
    return [seat.key for seat in ledger_of((folder / "web.seats.json").read_text()).seats]


def told(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def test_it_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["byol", "bundle", "--help"]) == 0
    assert "Examples: hdinfra byol bundle" in capsys.readouterr().out


def test_each_machine_has_a_folder_that_is_whole(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle(byol.installed(), "--json") == 0
    for one, name in zip(told(capsys)["bundles"], ("web-1", "web-2"), strict=True):
        folder = tmp_path / "out" / name
        assert (one["machine"], one["folder"], one["iso"]) == (name, str(folder), None)
        sums = (folder / "SHA256SUMS").read_bytes()
        assert one["sums"] == hashlib.sha256(sums).hexdigest()
        assert {line.split()[1] for line in sums.decode().splitlines()} == written(folder).keys() - {"SHA256SUMS"}
        done = subprocess.run(
            ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout
        assert os.access(folder / "install.sh", os.X_OK)
        assert WafPolicy.model_validate_json((folder / "policy.json").read_bytes()).sites[0].tenant == "acme"
        assert f"local-hostname: {name}\n" in (folder / "seed/meta-data").read_text()


def test_script_and_seed_lay_the_same_files(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle(byol.installed()) == 0
    folder = tmp_path / "out/web-1"
    seed = yaml.load((folder / "seed/user-data").read_text(), Loader=yaml.CSafeLoader)["write_files"]
    by_seed = {file["path"]: (file["content"].encode(), int(file["permissions"], 8)) for file in seed}
    policy = by_seed.pop("/etc/hdinfra/first-policy.json")
    assert policy[0] == (folder / "policy.json").read_bytes()
    with tarfile.open(fileobj=io.BytesIO((folder / "files.tar").read_bytes())) as archive:
        members = archive.getmembers()
        by_script = {f"/{m.name}": (archive.extractfile(m).read(), m.mode) for m in members}  # type: ignore[union-attr]
    assert by_script == by_seed
    assert all(member.isfile() and (member.uid, member.gid) == (0, 0) for member in members)


def test_the_same_spec_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle(byol.installed()) == 0
    first, seated = written(tmp_path / "out"), seats(tmp_path)
    assert bundle(byol.installed()) == 0
    assert written(tmp_path / "out") == first
    assert seats(tmp_path) == seated == [("bundles", "web", 0), ("bundles", "web", 1)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["web-1", "web-2"]


def test_two_machines_differ_in_identity_alone(bundle: Bundle, tmp_path: Path) -> None:
    assert bundle(byol.installed()) == 0
    one, other = (written(tmp_path / "out" / name) for name in ("web-1", "web-2"))
    same = {path: text for path, text in one.items() if other[path] == text}
    assert same.keys() == {"install.sh", "policy.json"}
    assert one["seed/user-data"].replace(b"web-1", b"web-2") == other["seed/user-data"]


CODE_URL = "https://code.acme.test/hdinfra"


def code_of(folder: Path, *changes: Change, out: str = "code") -> int:
    """`hdinfra byol code` on a spec of AWS, with these changes; the exit code."""
    spec = folder / "aws.yaml"
    spec.write_text(yaml.safe_dump(byol.on_cloud(*byol.AT_AWS, *changes)))
    return cli.run(["byol", "code", str(spec), "--out", str(folder / out), "--json"])


def test_code_explains_itself_with_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["byol", "code", "--help"]) == 0
    assert "Example: hdinfra byol code" in capsys.readouterr().out


def test_the_code_that_is_written_is_what_the_stack_tells_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(tmp_path, setting("code_url", f"{CODE_URL}/")) == 0
    found = told(capsys)["code"]
    content = Path(found["file"]).read_bytes()
    plan = byol.plan_of(byol.on_cloud(*byol.AT_AWS, setting("code_url", CODE_URL)))
    (pin,) = [json.loads(file.content)["code"] for file in told_to(plan, plan.machines[0]) if "boot" in file.path]
    assert pin == {"url": found["url"], "sha256": hashlib.sha256(content).hexdigest()}
    assert found["sha256"] == pin["sha256"] and found["bytes"] == len(content)
    assert found["url"] == f"{CODE_URL}/{Path(found['file']).name}" == f"{CODE_URL}/{pin['sha256']}.tar"


def test_the_same_version_writes_the_same_code_wherever_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In two processes with other hashing, time zone and umask."""
    written = "sys.stdout.buffer.write(unmanaged_bundle('waf').content)"
    program = f"import sys; from hdinfra.machine.bundle import unmanaged_bundle; {written}"
    one, other = (
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, **more}, capture_output=True, check=True, umask=umask
        )
        for more, umask in (
            ({"PYTHONHASHSEED": "1", "TZ": "UTC"}, 0),
            ({"PYTHONHASHSEED": "2", "TZ": "Asia/Tokyo"}, 0o077),
        )
    )
    assert one.stdout == other.stdout
    assert code_of(tmp_path) == 0
    assert Path(told(capsys)["code"]["file"]).read_bytes() == one.stdout
    with tarfile.open(fileobj=io.BytesIO(one.stdout)) as archive:
        members = archive.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.mode, m.isfile()) for m in members} == {(0, 0, 0, 0o644, True)}
    assert "hdinfra/agent/hdctl.py" in {member.name for member in members}
    assert not [m.name for m in members if "hdsync" in m.name]


def test_code_without_an_address_says_where_it_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code_of(tmp_path) == 0
    assert told(capsys)["code"]["url"] is None
    assert cli.run(["byol", "code", str(tmp_path / "aws.yaml"), "--out", str(tmp_path / "code")]) == 0
    assert "code_url: https://..." in capsys.readouterr().out


def test_what_lies_there_under_the_codes_name_and_is_another_is_not_taken_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(tmp_path) == 0
    Path(told(capsys)["code"]["file"]).write_bytes(b"half of it")
    assert code_of(tmp_path) == 1
    assert "is not what its name says" in capsys.readouterr().err


def test_a_folder_for_code_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "code").write_text("a file")
    assert code_of(tmp_path) == 1
    assert "another folder with --out" in capsys.readouterr().err


REFUSED = {
    rule: (data, licence)
    for data, licence, rule in (
        (byol.installed(setting("machines", 5)), ALWAYS, "byol.licence-count"),
        (byol.installed(), byol.licence(not_before=0, expires=1), "byol.licence-expired"),
        (byol.installed(), ALWAYS.replace("acme-1", "acme-2"), "byol.licence-forged"),
        (byol.installed(setting("sites.0.origins.0", {"address": "::1"})), ALWAYS, "site.origin-address"),
    )
}


@pytest.mark.parametrize("rule", REFUSED)
def test_what_is_refused_is_not_written(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], rule: str
) -> None:
    data, licence = REFUSED[rule]
    assert bundle(data, "--json", licence=licence) == 2
    assert [refusal["rule"] for refusal in told(capsys)["refusals"]] == [rule]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["acme.licence", "web.yaml"]


def test_installed_machines_count_with_those_of_stacks(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle(byol.installed(setting("machines", 3))) == 0
    other = byol.installed(setting("byol", "api"), setting("ledger", "web.seats.json"))
    assert bundle(other) == 2
    said = capsys.readouterr().err
    assert "byol.licence-count" in said
    assert "web/0 of bundles" in said
    assert not (tmp_path / "out/api-1").exists()
    assert len(seats(tmp_path)) == 3


def bundles_of(folder: Path, name: str, *changes: Change) -> int:
    """The verb on a spec of that name there, beside the licence for four machines; the exit code."""
    spec = folder / name
    spec.parent.mkdir(exist_ok=True)
    spec.write_text(yaml.safe_dump(byol.installed(*changes)))
    (spec.parent / "acme.licence").write_text(ALWAYS)
    return cli.run(["byol", "bundle", str(spec), "--out", str(folder / "out" / spec.stem)])


@pytest.mark.parametrize("other", ["web-us.yaml", "us/web.yaml"])
def test_two_specs_that_name_their_machines_alike_take_seats_of_their_own(tmp_path: Path, other: str) -> None:
    ledger = setting("ledger", "../web.seats.json" if "/" in other else "web.seats.json")
    for _ in range(2):
        assert bundles_of(tmp_path, "web.yaml") == 0
        assert bundles_of(tmp_path, other, ledger) == 0
        assert seats(tmp_path) == [
            *(("bundles", "web", slot) for slot in (0, 1)),
            *((f"bundles:{other}", "web", slot) for slot in (0, 1)),
        ]


def test_a_third_spec_of_the_same_name_finds_no_seat(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (bundles_of(tmp_path, "web.yaml"), bundles_of(tmp_path, "web-us.yaml")) == (0, 0)
    assert bundles_of(tmp_path, "web-in.yaml") == 2
    said = capsys.readouterr().err
    assert "byol.licence-count" in said and "web/0 of bundles:web-us.yaml" in said
    assert (len(seats(tmp_path)), (tmp_path / "out/web-in").exists()) == (4, False)


def test_seats_that_an_earlier_version_noted_keep_their_keys_and_days(tmp_path: Path) -> None:
    former = Ledger(tuple(Seat("bundles", "web", n, "waf", "acme-1", f"bundle-web-{n}", 1_700_000_000) for n in (0, 1)))
    (tmp_path / "web.seats.json").write_text(ledger_text(former))
    for name in ("web.yaml", "web-us.yaml", "web.yaml"):
        assert bundles_of(tmp_path, name) == 0
        found = ledger_of((tmp_path / "web.seats.json").read_text()).seats
        assert [(one.key, one.since) for one in found[:2]] == [(one.key, one.since) for one in former.seats]
    assert [one.key for one in found[2:]] == [("bundles:web-us.yaml", "web", slot) for slot in (0, 1)]


def test_the_same_spec_in_another_checkout_takes_no_second_seat(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    assert bundles_of(tmp_path / "one", "web.yaml") == 0
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert bundles_of(tmp_path / "two", "web.yaml") == 0
    assert seats(tmp_path / "two") == seats(tmp_path / "one") == [("bundles", "web", 0), ("bundles", "web", 1)]


def test_a_ledger_that_is_damaged_is_named(bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "web.seats.json").write_text("{")
    assert bundle(byol.installed()) == 1
    assert "web.seats.json" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_a_stack_deploys_is_not_installed(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle(byol.on_cloud()) == 1
    assert "install: true" in capsys.readouterr().err
    assert not (tmp_path / "web.seats.json").exists()


def test_a_folder_of_somebody_elses_is_left_alone(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out/web-1").mkdir(parents=True)
    (tmp_path / "out/web-1/letter").write_text("dear")
    assert bundle(byol.installed()) == 1
    assert "is no bundle" in capsys.readouterr().err
    assert written(tmp_path / "out") == {"web-1/letter": b"dear"}


def test_without_a_program_for_it_an_iso_is_refused_with_the_package(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert bundle(byol.installed(), "--iso") == 1
    assert "apt-get install xorriso" in capsys.readouterr().err
    assert not (tmp_path / "web.seats.json").exists()


def test_an_iso_holds_the_seed_under_the_label_that_cloud_init_looks_for(
    bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program is a stand-in that notes how it was called: what writes ISO images is not on every computer."""
    program = tmp_path / "bin/genisoimage"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\nwhile [ "$1" != -output ]; do shift; done\nprintf "%s\\n" "$@" >"$2"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))  # alone: elsewhere on the computer may be a real one
    assert bundle(byol.installed(setting("machines", 1)), "--iso", "--json") == 0
    (one,) = told(capsys)["bundles"]
    given = Path(one["iso"]).read_text().splitlines()
    assert given[2:6] == ["-volid", "cidata", "-joliet", "-rock"]
    assert [Path(path).name for path in given[6:]] == ["user-data", "meta-data"]
    assert "seed.iso" in (tmp_path / "out/web-1/SHA256SUMS").read_text()
