"""The operator's command: through the daemon, and for root without it; no control plane is ever needed."""

import json
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent import hdctl
from hdinfra.agent.applier import Applier
from hdinfra.agent.commands import Result
from hdinfra.agent.hdsync import Daemon
from hdinfra.agent.paths import DOOR
from hdinfra.agent.shown import shown
from tests.machine.sync_machine import Place, on_disk, running
from tests.machine.sync_stack import eventually, waf

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`hdctl` on this machine: exit code, stdout, stderr."""
    door = str(place.root / DOOR.lstrip("/"))
    real = hdctl.ask
    monkeypatch.setattr(hdctl, "ask", lambda request: real(request, door))
    monkeypatch.setattr(hdctl, "Applier", lambda run: Applier(run, place.root))
    monkeypatch.setattr(hdctl, "run", place.program.run)
    place.root.joinpath("doc.json").write_text(json.dumps(waf("a.test", "b.test")))
    Applier(place.program.run, place.root).apply(json.dumps(waf("a.test", "b.test")).encode(), 1)

    def ran(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = hdctl.main(argv)
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


@pytest.fixture
def daemon(command: Run, place: Place) -> Iterator[Daemon]:  # noqa: ARG001 - the policy is there before it starts
    """hdsync on this machine, without a control plane."""
    with running(place) as daemon:
        eventually((place.root / DOOR.lstrip("/")).exists)
        yield daemon


def told(ran: tuple[int, str, str]) -> Any:
    """What it printed as JSON, on a good end."""
    assert ran[0] == 0, ran
    return json.loads(ran[1])


STATUS = {
    "app",
    "digest",
    "serving",
    "sysctls_denied",
    "limits_unenforced",
    "number",
    "settings",
    "drained",
    "overrides",
    "failed",
    "problems",
    "certificate_ends",
    "seen",
}


@pytest.mark.usefixtures("daemon")
def test_status_has_all_there_is(command: Run) -> None:
    status = told(command("status", "--json"))
    assert status.keys() == STATUS
    assert (status["app"], status["serving"], status["number"]) == ("waf", True, 0)


def test_status_looks_for_itself_without_a_daemon(command: Run) -> None:
    status = told(command("status", "--json"))
    assert status.keys() == STATUS
    assert (status["serving"], status["number"], "hdsync does not answer" in status["problems"][0]) == (
        True,
        None,
        True,
    )


@pytest.fixture
def alone_for_good(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of no Zone, which has no daemon."""
    mark = place.root / "unmanaged"
    mark.touch()
    monkeypatch.setattr(hdctl, "UNMANAGED", str(mark))


@pytest.mark.usefixtures("alone_for_good")
def test_where_no_daemon_belongs_its_absence_is_no_problem(command: Run) -> None:
    status = told(command("status", "--json"))
    assert status.keys() == STATUS
    assert (status["serving"], status["problems"]) == (True, [])
    code, out, err = command("rollback")
    assert (code, out, "this machine is unmanaged" in err) == (1, "", True), err


def test_booted_asks_for_what_belongs_there(command: Run, request: pytest.FixtureRequest) -> None:
    asked: list[tuple[str, ...]] = []

    def run(argv: tuple[str, ...]) -> Result:
        asked.append(tuple(argv))
        return Result(0, "")

    request.getfixturevalue("monkeypatch").setattr(hdctl, "run", run)
    assert command("booted")[0] == 0
    request.getfixturevalue("alone_for_good")
    assert command("booted")[0] == 0
    assert ["hdsync.service" in argv for argv in asked] == [True, False]


@pytest.mark.parametrize("alone", [False, True], ids=["daemon", "alone"])
def test_commands_change_this_machine_alone(
    command: Run, place: Place, request: pytest.FixtureRequest, alone: bool
) -> None:
    if not alone:
        request.getfixturevalue("daemon")
    assert told(command("bypass", "a.test", "--json")) == {"drained": False, "overrides": {"a.test": "BYPASS"}}
    assert on_disk(place.root) == {"a.test": "BYPASS", "b.test": "MITIGATION"}
    assert told(command("record", "b.test", "--json"))["overrides"] == {"a.test": "BYPASS", "b.test": "RECORD"}
    assert told(command("reset", "a.test", "--json"))["overrides"] == {"b.test": "RECORD"}
    assert told(command("drain", "--json"))["drained"]
    assert set(on_disk(place.root)) == {"a.test", "b.test", "drained"}
    assert [row["mode"] for row in told(command("sites", "--json"))["sites"]] == ["MITIGATION", "RECORD"]
    assert not told(command("undrain", "--json"))["drained"]
    assert told(command("reload", "--json"))["overrides"] == {"b.test": "RECORD"}


@pytest.mark.usefixtures("daemon")
@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("bypass", "c.test"), "protects no site 'c.test'"),
        (("reset", "a.test"), "'a.test' has no mode of this machine's own"),
        (("rollback",), "no earlier good version"),
    ],
)
def test_what_cannot_be_done_is_said(command: Run, argv: tuple[str, ...], words: str) -> None:
    code, out, err = command(*argv)
    assert (code, out, words in err) == (1, "", True), err


def test_rollback_needs_the_daemon(command: Run) -> None:
    code, _, err = command("rollback")
    assert (code, "systemctl status hdsync" in err) == (1, True)


@pytest.mark.usefixtures("daemon")
def test_a_wish_that_fails_changes_nothing(command: Run, place: Place) -> None:
    place.program.broken = {"drained"}
    code, _, err = command("drain")
    assert (code, "nothing has changed: the program kept its old workers" in err) == (1, True)
    assert set(on_disk(place.root)) == {"a.test", "b.test"}


def test_logs_come_from_the_journal(command: Run, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    real = place.program.run

    def journal(argv: Sequence[str]) -> Result:
        asked.append(argv)
        return Result(0, "one\ntwo") if argv[0] == "journalctl" else real(argv)

    monkeypatch.setattr(place.program, "run", journal)
    with running(place):
        eventually((place.root / DOOR.lstrip("/")).exists)
        assert command("logs", "--lines", "7")[:2] == (0, "one\ntwo\n")
    assert [argv[-6:] for argv in asked if argv[0] == "journalctl"] == [
        ("-n", "7", "-o", "short-iso", "--no-pager", "--quiet")
    ]


@pytest.mark.usefixtures("daemon")
def test_people_get_words(command: Run) -> None:
    command("record", "a.test")
    code, out, _ = command("status")
    assert code == 0
    assert "version   0.0" in out
    assert "override  a.test is in RECORD on this machine alone" in out
    assert "problem   control plane: none was named at first boot" in out
    assert command("sites")[1].splitlines()[0].split() == [
        "host",
        "tenant",
        "mode",
        "overridden",
        "profile",
        "paranoia",
        "exclusions",
    ]


def test_the_door_is_for_the_group_alone(daemon: Daemon, place: Place) -> None:
    assert daemon
    assert stat.S_IMODE((place.root / DOOR.lstrip("/")).stat().st_mode) == 0o660


@pytest.mark.parametrize(
    "line", [b"\n", b"[]\n", b"{\n", b"{}\n", b'{"command": "format"}\n', b'{"command": 5}\n', b"x" * 9000]
)
def test_odd_requests_get_an_answer(daemon: Daemon, place: Place, line: bytes) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(str(place.root / DOOR.lstrip("/")))
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        answer = json.loads(connection.makefile("rb").readline())
    assert (answer["ok"], bool(answer["message"])) == (False, True)
    assert daemon.status()["serving"]


def test_check_says_it_by_its_exit(command: Run, place: Place) -> None:
    assert command("status", "--check") == (0, "", "")
    (place.root / "taken.json").write_text("{}")
    assert command("status", "--check") == (1, "", "")


def test_apply_and_restore_need_no_daemon(command: Run, place: Place) -> None:
    path = place.root / "doc.json"
    path.write_text(json.dumps(waf("c.test")))
    applied = told(command("apply", str(path), "--wait", "1"))
    assert (applied["serving"], list(on_disk(place.root))) == (True, ["c.test"])
    assert told(command("restore")) == {"changed": []}
    path.write_text("{}")
    code, _, err = command("apply", str(path))
    assert (code, "hdctl: app: None is not one of" in err) == (1, True)


def test_help_has_examples_for_everybody() -> None:
    # Debian's own Python starts it as it lies, so no other package may be needed for that.
    code = "import sys; sys.path.insert(0, '.'); from hdinfra.agent import hdctl; hdctl.main(['--help'])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=_repository())
    assert (ran.returncode, "hdctl record shop.acme.test" in ran.stdout) == (0, True), ran.stderr


def _repository() -> Path:
    return Path(__file__).parents[2]


def test_others_are_turned_away(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def denied(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(socket.socket, "connect", denied)
    assert hdctl.main(["drain"]) == 1
    assert "only root and the group hdinfra-operators may" in capsys.readouterr().err


@pytest.mark.usefixtures("daemon")
def test_health_of_a_machine_that_nobody_asks_for_is_said_so(command: Run) -> None:
    assert told(command("health", "--json")) == {"well": None, "reasons": [], "latched": None, "bounds": {}}
    assert command("health")[1] == "well      nobody asks for it\n"
    assert told(command("latch", "release", "--json")) == {"latched": None}
    assert command("latch", "release")[1] == "the latch is open\n"


def test_what_people_read_of_health_and_of_pools() -> None:
    health = {
        "well": False,
        "reasons": ["it is drained"],
        "latched": "booted",
        "bounds": {"latch": True, "writes": None},
    }
    assert shown("health", health).splitlines() == [
        "well      no: /edge-health answers 503",
        "because   it is drained",
        "latched   booted; `hdctl latch release` when it may have visitors again",
        "bound     latch True",
    ]
    machine = {"instance": "shop", "pool": "first", "machine": "a-shop-1", "up": False, "seen": "answers 503"}
    switch = {"at": 0, "instance": "shop", "from": "first", "to": "second", "because": "a-shop-1: answers 503"}
    status = dict.fromkeys(("certificate_ends", "failed", "digest", "app")) | {
        "number": 1,
        "settings": 0,
        "serving": True,
        "failover": {"chosen": {"shop": "second"}, "machines": [machine], "switches": [switch]},
        "overrides": {},
        "seen": {},
        **dict.fromkeys(("problems", "limits_unenforced", "sysctls_denied"), ()),
        "drained": False,
    }
    assert shown("status", status).splitlines()[2:] == [
        "pool      users of shop go to second",
        "pool      first: a-shop-1 is down, answers 503",
        "switched  1970-01-01 00:00:00 UTC shop from first to second: a-shop-1: answers 503",
    ]
