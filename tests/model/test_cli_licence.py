"""`hdinfra licence`: a vendor's day from the key to a refused file, for people and for programs."""

import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from hdinfra.licence.licence import first_second, opened
from hdinfra.operate import cli
from hdinfra.protocol.seal import new_key, public_of

NOW = first_second("2026-11-21") + 50_000
ISSUE = ["issue", "--key", "v.key", "--tenant", "acme", "--app", "waf", "--machines", "4", "--expires", "2027-11-21"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty one, on a day that does not pass."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    return tmp_path


@pytest.fixture
def public(capsys: pytest.CaptureFixture[str]) -> str:
    """The vendor's public key, whose private half lies in `v.key`, and a licence in `acme.licence`."""
    assert cli.run(["licence", "keygen", "--key", "v.key"]) == 0
    printed = capsys.readouterr().out.strip()
    assert cli.run(["licence", *ISSUE, "--out", "acme.licence"]) == 0
    capsys.readouterr()
    return printed


def test_the_private_key_stays_in_its_file(capfd: pytest.CaptureFixture[str], folder: Path) -> None:
    assert cli.run(["licence", "keygen", "--key", "v.key"]) == 0
    key, said = (folder / "v.key").read_text().strip(), capfd.readouterr()
    assert said.out == public_of(key) + "\n"
    assert stat.S_IMODE((folder / "v.key").stat().st_mode) == 0o600
    assert cli.run(["licence", *ISSUE, "--out", "a.licence"]) == 0
    assert cli.run(["licence", "show", "a.licence"]) == 0
    said = capfd.readouterr()
    assert key not in said.out + said.err + (folder / "a.licence").read_text()


@pytest.mark.usefixtures("public")
def test_keygen_never_writes_over_a_key(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "v.key").read_text()
    assert cli.run(["licence", "keygen", "--key", "v.key", "--json"]) == 1
    said = capsys.readouterr()
    assert (said.out, (folder / "v.key").read_text()) == ("", before)
    assert "`v.key` is there already" in said.err and "try: name another file" in said.err


def test_an_issued_licence_says_what_was_ordered(public: str, folder: Path) -> None:
    more = ["--app", "load-balancer", "--feature", "ddos", "--not-before", "2027-01-01", "--out", "more.licence"]
    assert cli.run(["licence", *ISSUE, *more, "--json"]) == 0
    licence = opened((folder / "more.licence").read_text(), public)
    assert (licence.tenant, licence.apps, licence.features) == ("acme", ("waf", "load-balancer"), ("ddos",))
    assert (licence.not_before, licence.expires) == (first_second("2027-01-01"), first_second("2027-11-22"))
    assert (licence.issued, licence.machines, licence.id[:5]) == (NOW, 4, "acme-")
    first = opened((folder / "acme.licence").read_text(), public)
    assert first.not_before == first_second("2026-11-21")
    assert first.id != licence.id


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--tenant", "Acme"], "the name 'Acme'"),
        (["--app", "a/b"], "the name 'a/b'"),
        (["--machines", "0"], "0 machines: 1 to 100,000"),
        (["--machines", "100001"], "100001 machines"),
        (["--expires", "soon"], "'soon' is no day such as 2027-11-21"),
        (["--expires", "9999-12-31"], "the time"),
        (["--not-before", "2027-11-22"], "at or before its begin"),
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("public")
def test_what_no_licence_can_say_is_wrong_use(
    change: list[str], words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["licence", *ISSUE, *change, "--out", "x.licence"]) == 2
    assert words in " ".join(capsys.readouterr().err.replace("│", "").split())
    assert not (folder / "x.licence").exists()


@pytest.mark.usefixtures("public")
def test_issue_never_writes_over_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "acme.licence").read_text()
    assert cli.run(["licence", *ISSUE, "--out", "acme.licence"]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (folder / "acme.licence").read_text() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
@pytest.mark.usefixtures("public")
def test_a_key_that_others_may_read_signs_nothing(mode: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "v.key").chmod(mode)
    assert cli.run(["licence", *ISSUE, "--out", "x.licence"]) == 1
    said = capsys.readouterr().err
    assert f"mode {mode:04o}" in said and "chmod 600 'v.key'" in said
    assert not (folder / "x.licence").exists()


@pytest.mark.parametrize("text", [b"", b"hello\n", b"AAAA\n", b"\xff\xfe"])
def test_a_file_that_is_no_key_is_not_shown(text: bytes, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "v.key").write_bytes(text)
    (folder / "v.key").chmod(0o600)
    assert cli.run(["licence", *ISSUE, "--out", "x.licence"]) == 1
    said = capsys.readouterr().err
    assert "v.key" in said and "hello" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["keygen", "--key", "nowhere/v.key"],
        [*ISSUE[:1], "--key", "nowhere", *ISSUE[3:], "--out", "x"],
        ["show", "nowhere"],
        ["show", "."],
        ["verify", "nowhere", "--public-key", "x"],
    ],
    ids=" ".join,
)
def test_a_file_that_cannot_be_had_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["licence", *arguments]) == 1
    said = capsys.readouterr().err
    assert "cannot be" in said and "Traceback" not in said


@pytest.mark.usefixtures("public")
def test_show_says_that_it_does_not_verify(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["licence", "show", "acme.licence"]) == 0
    said = capsys.readouterr().out
    assert "not verified" in said and "2027-11-22 00:00 UTC" in said
    assert cli.run(["licence", "show", "acme.licence", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["licence"]["machines"]) == (False, 4)
    (folder / "other").write_text("no licence")
    assert cli.run(["licence", "show", "other"]) == 1
    assert "This is no licence" in capsys.readouterr().err


def test_a_good_licence_verifies(public: str, capsys: pytest.CaptureFixture[str]) -> None:
    verify = ["licence", "verify", "acme.licence", "--public-key", public]
    assert cli.run(verify) == 0
    assert "it holds now" in capsys.readouterr().out
    assert cli.run([*verify, "--app", "waf", "--machines", "4", "--tenant", "acme", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["refusals"], told["licence"]["tenant"]) == (True, [], "acme")


@pytest.mark.parametrize(
    ("code", "more", "at"),
    [
        ("byol.licence-app", ["--app", "ddos"], NOW),
        ("byol.licence-count", ["--machines", "5"], NOW),
        ("byol.licence-tenant", ["--tenant", "globex"], NOW),
        ("byol.licence-forged", ["--public-key", public_of(new_key())], NOW),
        ("byol.licence-expired", [], first_second("2027-11-22")),
        ("byol.licence-not-yet", [], first_second("2026-11-21") - 1),
        ("byol.licence-clock", ["--ledger", "ledger.json"], NOW),
    ],
    ids=["app", "count", "tenant", "forged", "expired", "not yet", "clock"],
)
def test_verify_ends_with_one_and_the_reason(  # noqa: PLR0917
    code: str,
    more: list[str],
    at: int,
    public: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(time, "time", lambda: float(at))
    (folder / "ledger.json").write_text(json.dumps({"schema": 1, "seen": NOW + 90_000, "seats": []}))
    assert cli.run(["licence", "verify", "acme.licence", "--public-key", public, *more, "--json"]) == 1
    said = capsys.readouterr()
    told: dict[str, Any] = json.loads(said.out)
    assert (told["verified"], [one["code"] for one in told["refusals"]]) == (False, [code])
    assert code in said.err and "fix: " in said.err


def test_a_damaged_ledger_is_named(public: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "ledger.json").write_text("{")
    assert cli.run(["licence", "verify", "acme.licence", "--public-key", public, "--ledger", "ledger.json"]) == 1
    said = capsys.readouterr().err
    assert "is damaged: it is not JSON" in said and "fix: bring back a copy" in said


@pytest.mark.parametrize("verb", ["keygen", "issue", "show", "verify"])
def test_every_verb_shows_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["licence", verb, "--help"]) == 0
    said = capsys.readouterr().out
    assert f"hdinfra licence {verb}" in said and "--json" in said and "Example" in said


def test_a_licence_without_its_last_newline_verifies(public: str, folder: Path) -> None:
    text = (folder / "acme.licence").read_text()
    (folder / "acme.licence").write_text(text.removesuffix("\n"))
    assert cli.run(["licence", "verify", "acme.licence", "--public-key", public]) == 0
