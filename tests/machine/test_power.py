"""`/usr/lib/hdinfra/power`: an ordered shutdown is carried through, a turn is waited for, events become problems."""

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from hdinfra.agent import power_turn
from hdinfra.agent.hdsync import Daemon
from hdinfra.agent.power import MARK, Plan, Stop, Supply, Turn, main, read_plan
from hdinfra.agent.power_down import go_down
from hdinfra.agent.power_events import FOLDER, note, problems
from hdinfra.agent.power_turn import hindrance, wait_turn
from hdinfra.machine.bundle import unmanaged_sources
from hdinfra.machine.metal.nut import power_json
from tests.machine.nut_site import site_plan

RED = Supply("ups-red", "web-1", ("2001:db8::1",), 40)
BLUE = Supply("ups-blue", "web-2", ("2001:db8::2",), 40)
STORE = (5432, ("2001:db8::9", "192.0.2.9"))
FRONT = Turn("front", (STORE,))
PLAN = Plan(
    stops=(
        Stop("front", 0, 3, ("haproxy.service",)),
        Stop("inspection", 20, 4, ("nginx.service", "waf.service")),
        Stop("watch", 20, 2, ("watch.service",)),
        Stop("nothing", 30, 2, ()),
    ),
    off_at=40,
    turns=(FRONT, Turn("store", ())),
    supplies=(RED, BLUE),
    patience=1_800,
)


class _Systemd:
    """Writes down what it is asked; what `sticks` does not stop in its time."""

    def __init__(self, *sticks: str, dies_at: str = "") -> None:
        self.asked: list[str] = []
        self.seconds: list[float] = []
        self._sticks, self._dies_at = sticks, dies_at

    def __call__(self, argv: Sequence[str], seconds: float) -> bool:
        self.asked.append(" ".join(argv[1:]))
        self.seconds.append(seconds)
        if self._dies_at in argv:
            raise _KilledError
        return not (argv[1] == "stop" and set(self._sticks) & set(argv))


class _KilledError(Exception):
    """Here the program ends, whatever it was about to do."""


def pauses() -> tuple[list[float], Callable[[float], None]]:
    """Pauses that are written down and not taken."""
    taken: list[float] = []
    return taken, taken.append


def test_services_stop_in_their_waves_and_the_host_at_the_end(tmp_path: Path) -> None:
    systemd, (taken, pause) = _Systemd(), pauses()
    go_down(PLAN, tmp_path, systemd, pause)
    assert systemd.asked == [
        "stop haproxy.service",
        "stop nginx.service waf.service watch.service",
        "poweroff",
    ]
    assert systemd.seconds[:2] == [3, 4]
    # Since the beginning was written down some time has gone by, on a busy computer more than little.
    assert all(0 <= at - paused < 10 for at, paused in zip((0, 20, 30, 40), taken, strict=True))


def test_what_does_not_stop_in_its_time_is_killed(tmp_path: Path) -> None:
    systemd = _Systemd("nginx.service")
    go_down(PLAN, tmp_path, systemd, pauses()[1])
    assert systemd.asked[2] == "kill --signal=SIGKILL nginx.service waf.service watch.service"
    assert systemd.asked[3] == "poweroff"


def test_killed_in_the_middle_it_goes_on_from_its_beginning(tmp_path: Path) -> None:
    """systemd starts it again: the beginning is the first one's, so no wave comes later than it would have."""
    with pytest.raises(_KilledError):
        go_down(PLAN, tmp_path, _Systemd(dies_at="nginx.service"), pauses()[1])
    begun = (tmp_path / "run/hdinfra-power-down").read_text()
    systemd, (taken, pause) = _Systemd(), pauses()
    go_down(PLAN, tmp_path, systemd, pause)
    assert (tmp_path / "run/hdinfra-power-down").read_text() == begun
    assert systemd.asked[-1] == "poweroff"
    assert all(paused <= limit for paused, limit in zip(taken, (0, 20, 30, 40), strict=True))


def test_from_the_first_moment_the_next_boot_knows(tmp_path: Path) -> None:
    with pytest.raises(_KilledError):
        go_down(PLAN, tmp_path, _Systemd(dies_at="haproxy.service"), pauses()[1])
    mark = tmp_path / MARK.lstrip("/")
    assert mark.exists()
    assert main(["up"], tmp_path) == 0
    assert not mark.exists()
    assert main(["up"], tmp_path) == 0


def full(_: Supply, name: str) -> str:
    """A battery that would last."""
    return {"ups.status": "OL CHRG", "battery.charge": "55"}[name]


@pytest.mark.parametrize(
    ("status", "charge", "why"),
    [
        ("OB DISCHRG", "90", "is OB DISCHRG"),
        ("OL CHRG", "12.4", "is at 12 % of 40 %"),
        ("FSD OL", "90", "is FSD OL"),
        ("OL CHRG LB", "90", "is OL CHRG LB"),
        ("OL", "", "is not to be asked"),
    ],
)
def test_one_battery_that_would_last_is_enough_and_none_is_not(status: str, charge: str, why: str) -> None:
    told = {"ups.status": status, "battery.charge": charge}

    def one_left(supply: Supply, name: str) -> str:
        return told[name] if supply is RED else full(supply, name)

    assert hindrance(PLAN, FRONT, lambda *_: True, one_left) == ""
    assert why in hindrance(PLAN, FRONT, lambda *_: True, lambda _, name: told[name])
    assert hindrance(replace(PLAN, supplies=()), FRONT, lambda *_: True, lambda *_: "") == ""


def test_a_battery_that_nobody_can_ask_is_no_battery() -> None:
    def silent(supply: Supply, name: str) -> str:
        if supply is RED:
            raise OSError("no route to host")
        return full(supply, name)

    assert hindrance(PLAN, FRONT, lambda *_: True, silent) == ""
    assert "no route" in hindrance(replace(PLAN, supplies=(RED,)), FRONT, lambda *_: True, silent)


def test_what_is_needed_answers_in_one_family_at_least() -> None:
    assert "port 5432" in hindrance(PLAN, FRONT, lambda *_: False, full)
    for family in STORE[1]:
        assert hindrance(PLAN, FRONT, lambda address, _, family=family: address == family, full) == ""  # type: ignore[misc]


def test_a_usual_boot_waits_for_nothing(tmp_path: Path) -> None:
    wait_turn(PLAN, "front", tmp_path)
    with pytest.raises(ValueError, match="no service `other`"):
        wait_turn(PLAN, "other", tmp_path)


def test_in_vain_it_waits_until_its_patience_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / MARK.lstrip("/")).parent.mkdir(parents=True)
    (tmp_path / MARK.lstrip("/")).touch()
    monkeypatch.setattr(power_turn, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(power_turn, "answers", lambda *_: False)
    wait_turn(replace(PLAN, supplies=(), patience=0.1), "front", tmp_path)
    said = capsys.readouterr().err
    assert said.count("front waits: nobody answers at port 5432") == 1
    assert "all the same" in said


def test_it_starts_when_what_it_needs_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / MARK.lstrip("/")).parent.mkdir(parents=True)
    (tmp_path / MARK.lstrip("/")).touch()
    there, asked = threading.Event(), threading.Event()
    monkeypatch.setattr(power_turn, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(power_turn, "answers", lambda *_: asked.set() or there.is_set())
    waiting = threading.Thread(target=wait_turn, args=(replace(PLAN, supplies=()), "front", tmp_path), daemon=True)
    waiting.start()
    assert asked.wait(20)
    assert waiting.is_alive()
    there.set()
    waiting.join(20)
    assert not waiting.is_alive()


def test_events_are_problems_until_they_are_over(tmp_path: Path) -> None:
    assert problems(tmp_path) == {}
    for event in ("battery.ups-red", "low.ups-red", "silent.ups-blue", "replace.ups-blue"):
        note(event, tmp_path)
    assert set(problems(tmp_path)) == {"UPS ups-red", "UPS ups-blue"}
    assert "on battery" in problems(tmp_path)["UPS ups-red"]
    assert "battery low" in problems(tmp_path)["UPS ups-red"]
    (tmp_path / FOLDER / "ups-red.battery").unlink()
    assert "UPS ups-red" not in problems(tmp_path), "it charges"
    note("battery.ups-red", tmp_path)
    note("mains.ups-red", tmp_path)
    note("heard.ups-blue", tmp_path)
    assert list(problems(tmp_path)) == ["UPS ups-blue"]
    assert "worn" in problems(tmp_path)["UPS ups-blue"]
    (tmp_path / FOLDER / ".half").touch()
    assert list(problems(tmp_path)) == ["UPS ups-blue"]


@pytest.mark.parametrize("name", ["", "battery", "battery.", "battery.../../x", "fire.ups-red", "low.ups red"])
def test_an_event_that_nut_never_says_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is no event"):
        note(name, tmp_path)
    assert problems(tmp_path) == {}


def test_the_plan_is_read_as_it_is_written(tmp_path: Path) -> None:
    power = site_plan().host("web-1")
    path = tmp_path / "etc/hdinfra/power.json"
    path.parent.mkdir(parents=True)
    path.write_text(power_json(power))
    plan = read_plan(tmp_path)
    assert [(stop.service, stop.at, stop.units) for stop in plan.stops] == [
        (stop.service, stop.at, stop.units) for stop in power.stops
    ]
    assert plan.off_at == power.off_at
    assert {turn.service: turn.answers for turn in plan.turns}["store"] == ()
    assert [(one.ups, one.server) for one in plan.supplies] == [("ups-blue", "web-2"), ("ups-red", "web-1")]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"stops": 1}', json.dumps({"stops": [], "off_at": None})])
def test_a_plan_that_cannot_be_read_stops_nothing(tmp_path: Path, text: str) -> None:
    path = tmp_path / "etc/hdinfra/power.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(ValueError):
        read_plan(tmp_path)


@pytest.mark.parametrize("arguments", [[], ["off"], ["wait"], ["event"], ["down", "now"]])
def test_wrong_use_is_told(tmp_path: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments, tmp_path) == 2
    assert "usage" in capsys.readouterr().err


def test_machines_that_others_install_have_none_of_it() -> None:
    assert not [path for path in unmanaged_sources("waf") if "/power" in path]


def test_the_agent_reports_what_is_wrong_and_forgets_what_is_over(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    note("battery.ups-red", tmp_path)
    daemon._tidy()
    assert any(text.startswith("UPS ups-red: on battery") for text in daemon.report()["problems"])
    note("mains.ups-red", tmp_path)
    daemon._tidy()
    assert not any("UPS" in text for text in daemon.report()["problems"])
