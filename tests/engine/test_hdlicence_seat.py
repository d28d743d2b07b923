"""Seats over the plugin's real gRPC frame: taken, counted, moved, given back, by many at once and by some that die."""

import json
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from hdinfra.licence.licence import Licence, issue
from hdinfra.plugins.kind import Call
from hdinfra.plugins.licence import ledger as ledger_module
from hdinfra.plugins.licence.package import Licences
from hdinfra.plugins.values import UNKNOWN, unwrap, wrap
from hdinfra.protocol.seal import new_key, public_of
from tests.local.hdlocal_fixtures import Driver, Fault, driven

KIND = "hdlicence:index:Seat"
KEY = new_key()
DAY = 86_400
NOW = 1_800_000_000
LICENCE = Licence("acme-1", "acme", ("waf", "load-balancer"), 2, NOW - DAY, NOW + 30 * DAY, (), NOW - DAY)
LONG = replace(LICENCE, machines=10, not_before=0, expires=2**33, issued=0)  # whatever the day is outside


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plugin(clock: Clock) -> Iterator[Driver]:
    with driven(Licences(clock)) as driver:
        assert driver.configure() == []
        yield driver


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "seats.json"


@pytest.fixture
def inputs(ledger: Path) -> Callable[..., dict[str, Any]]:
    """The inputs of the first seat, but for what is given."""

    def made(under: Licence = LICENCE, **changes: Any) -> dict[str, Any]:
        text = {"licence": issue(under, KEY), "publicKey": public_of(KEY)}
        return {"ledger": str(ledger), **text, "instance": "fw", "slot": 0, "app": "waf", **changes}

    return made


Inputs = Callable[..., dict[str, Any]]


def held(ledger: Path) -> list[str]:
    """`instance/slot` of every seat in the file."""
    return [f"{seat['instance']}/{seat['slot']}" for seat in json.loads(ledger.read_text())["seats"]]


def test_a_seat_is_taken_seen_and_given_back(plugin: Driver, ledger: Path, inputs: Inputs) -> None:
    taking, state, secrets = plugin.create(KIND, "seat", inputs())
    assert (state["licenceId"], state["expires"], secrets) == ("acme-1", LICENCE.expires, frozenset())
    assert held(ledger) == ["fw/0"]
    assert stat.S_IMODE(ledger.stat().st_mode) == 0o600
    assert plugin.read(KIND, "seat", taking, state) == state
    assert plugin.diff(KIND, state, inputs(), inputs()) == (set(), set(), False)
    plugin.delete(KIND, "seat", taking, state)
    assert held(ledger) == []
    assert plugin.read(KIND, "seat", taking, state) is None
    plugin.delete(KIND, "seat", taking, state)


def test_an_up_that_changes_nothing_notes_the_time(plugin: Driver, clock: Clock, ledger: Path, inputs: Inputs) -> None:
    """Planning asks the ledger for it, so a clock that is set back after it is noticed."""
    _, state, _ = plugin.create(KIND, "seat", inputs())
    clock.now = NOW + 20 * DAY
    assert plugin.diff(KIND, state, inputs(), inputs()) == (set(), set(), False)
    assert json.loads(ledger.read_text())["seen"] == clock.now
    clock.now = NOW
    plugin.diff(KIND, state, inputs(), inputs())
    assert json.loads(ledger.read_text())["seen"] == NOW + 20 * DAY
    for text in ("{", None):  # what is wrong with it is said where it is needed
        ledger.write_text(text) if text else ledger.unlink()
        assert plugin.diff(KIND, state, inputs(), inputs()) == (set(), set(), False)


def test_one_more_than_the_licence_covers_is_refused_by_the_names_of_the_others(
    plugin: Driver, ledger: Path, inputs: Inputs
) -> None:
    first = plugin.create(KIND, "a", inputs())
    plugin.create(KIND, "b", inputs(slot=1))
    for deed in (plugin.create, plugin.preview):
        with pytest.raises(Fault, match=r"byol\.licence-count: ") as refused:
            deed(KIND, "c", inputs(slot=2))
        assert refused.value.code == "FAILED_PRECONDITION"
        assert "fw/0 of project/stack since 2027-01-15" in refused.value.message
        assert "fw/1 of project/stack" in refused.value.message
    assert held(ledger) == ["fw/0", "fw/1"]
    plugin.delete(KIND, "a", first[0], first[1])
    plugin.create(KIND, "c", inputs(slot=2))


def test_a_replacement_never_needs_two(plugin: Driver, ledger: Path, inputs: Inputs) -> None:
    """Create before delete, of the same key, with every seat taken."""
    plugin.create(KIND, "b", inputs(slot=1))
    old = plugin.create(KIND, "a", inputs())
    new = plugin.create(KIND, "a", inputs())
    assert new[0] != old[0]
    plugin.delete(KIND, "a", old[0], old[1])
    assert held(ledger) == ["fw/0", "fw/1"]
    assert plugin.read(KIND, "a", old[0], old[1]) is None
    assert plugin.read(KIND, "a", new[0], new[1]) == new[1]
    plugin.delete(KIND, "a", new[0], new[1])
    assert held(ledger) == ["fw/1"]


@pytest.mark.parametrize(
    "change", [{"slot": 7}, {"instance": "web"}, {"app": "load-balancer"}, {"licence": "renewed"}, {"ledger": "other"}]
)
def test_every_change_is_made_in_place_with_all_seats_taken(
    plugin: Driver, tmp_path: Path, ledger: Path, inputs: Inputs, change: dict[str, Any]
) -> None:
    plugin.create(KIND, "b", inputs(slot=1))
    taking, state, _ = plugin.create(KIND, "a", inputs())
    new = inputs() | change
    new |= {"licence": issue(replace(LICENCE, id="acme-2"), KEY)} if "licence" in change else {}
    new |= {"ledger": str(tmp_path / "other.json")} if "ledger" in change else {}
    assert plugin.diff(KIND, state, inputs(), new) == (set(change), set(), False)
    after = plugin.update(KIND, "a", taking, state, new)
    assert plugin.read(KIND, "a", taking, after) == after
    assert held(Path(new["ledger"])).count(f"{new['instance']}/{new['slot']}") == 1
    plugin.delete(KIND, "a", taking, after)
    assert held(ledger) == ["fw/1"]


def test_a_renewed_licence_is_told(plugin: Driver, ledger: Path, inputs: Inputs) -> None:
    taking, state, _ = plugin.create(KIND, "a", inputs())
    renewed = replace(LICENCE, id="acme-2", expires=LICENCE.expires + DAY)
    after = plugin.update(KIND, "a", taking, state, inputs(renewed))
    assert (after["licenceId"], after["expires"]) == ("acme-2", renewed.expires)
    assert json.loads(ledger.read_text())["seats"][0]["licence"] == "acme-2"


@pytest.mark.parametrize(
    ("code", "licence", "app", "now"),
    [
        ("byol.licence-expired", LICENCE, "waf", LICENCE.expires),
        ("byol.licence-not-yet", replace(LICENCE, not_before=NOW + 1), "waf", NOW),
        ("byol.licence-app", LICENCE, "ddos", NOW),
    ],
    ids=["expired", "not yet", "app"],
)
def test_no_seat_is_taken_without_right(  # noqa: PLR0917
    plugin: Driver, clock: Clock, ledger: Path, inputs: Inputs, code: str, licence: Licence, app: str, now: float
) -> None:
    taking, state, _ = plugin.create(KIND, "b", inputs(slot=1))
    before, clock.now = ledger.read_text(), now
    for deed in (plugin.create, plugin.preview):
        with pytest.raises(Fault, match=code) as refused:
            deed(KIND, "a", inputs(licence, app=app))
        assert "fix: " in refused.value.message
    with pytest.raises(Fault, match=code):
        plugin.update(KIND, "b", taking, state, inputs(licence, slot=1, app=app))
    assert ledger.read_text() == before
    plugin.delete(KIND, "b", taking, state)  # whatever became of the licence
    assert held(ledger) == []


def test_a_forged_licence_does_not_pass_the_check(plugin: Driver, ledger: Path, inputs: Inputs) -> None:
    forged = inputs()["licence"].replace('machines\\":2', 'machines\\":9')
    ((path, reason),) = plugin.check(KIND, inputs(licence=forged))
    assert path == "licence" and "byol.licence-forged" in reason
    ((path, reason),) = plugin.check(KIND, inputs(publicKey=public_of(new_key())))
    assert path == "licence" and "byol.licence-forged" in reason
    assert [path for path, _ in plugin.check(KIND, inputs(slot=-1, instance="../x", publicKey="short"))] == [
        "publicKey",
        "instance",
        "slot",
    ]
    assert plugin.check(KIND, inputs(licence=UNKNOWN)) == []
    assert not ledger.exists()


def test_a_preview_takes_nothing(plugin: Driver, ledger: Path, inputs: Inputs) -> None:
    state, _ = plugin.preview(KIND, "a", inputs())
    assert (state["licenceId"], state["expires"]) == ("acme-1", LICENCE.expires)
    assert plugin.preview(KIND, "a", inputs(licence=UNKNOWN))[0]["licenceId"] is UNKNOWN
    assert list(ledger.parent.iterdir()) == []


def test_a_preview_of_an_update_refuses_what_the_update_would(plugin: Driver, ledger: Path, inputs: Inputs) -> None:
    plugin.create(KIND, "b", inputs(slot=1))
    _, state, _ = plugin.create(KIND, "a", inputs())

    def previewed(new: dict[str, Any]) -> dict[str, Any]:
        urn = f"urn:pulumi:stack::project::{KIND}::a"
        request = provider_pb2.UpdateRequest(id="x", urn=urn, olds=wrap(state), news=wrap(new), preview=True)
        return unwrap(plugin.stub.Update(request, timeout=30).properties)[0]

    before = ledger.read_text()
    assert previewed(inputs(slot=7))["licenceId"] == "acme-1"
    assert previewed(inputs(replace(LICENCE, id="acme-2")))["licenceId"] == "acme-2"
    with pytest.raises(grpc.RpcError, match=r"byol\.licence-expired"):
        previewed(inputs(replace(LICENCE, id="acme-2", expires=NOW)))
    assert ledger.read_text() == before


def test_a_clock_set_back_is_refused_and_says_how_to_go_on(plugin: Driver, clock: Clock, inputs: Inputs) -> None:
    taking, state, _ = plugin.create(KIND, "a", inputs())
    clock.now = NOW + 20 * DAY
    assert plugin.read(KIND, "a", taking, state) == state  # a look notes the time
    clock.now = NOW + 19 * DAY - 1
    with pytest.raises(Fault, match=r"byol\.licence-clock: ") as refused:
        plugin.create(KIND, "b", inputs(slot=1))
    assert "was set back" in refused.value.message and "out of the ledger" in refused.value.message
    clock.now = NOW + 19 * DAY
    plugin.create(KIND, "b", inputs(slot=1))


def test_a_look_within_the_hour_writes_nothing(plugin: Driver, clock: Clock, ledger: Path, inputs: Inputs) -> None:
    taking, state, _ = plugin.create(KIND, "a", inputs())
    before = ledger.stat().st_ino
    clock.now = NOW + 3600
    assert plugin.read(KIND, "a", taking, state) == state
    assert ledger.stat().st_ino == before


@pytest.mark.parametrize("text", ["", '{"schema": 1, "seats": [', '{"schema": 1, "seats": [{}]}'], ids=range(3))
def test_a_damaged_ledger_is_left_alone_and_says_the_way_out(
    plugin: Driver, ledger: Path, inputs: Inputs, text: str
) -> None:
    taking, state, _ = plugin.create(KIND, "a", inputs())
    ledger.write_text(text)
    for deed in (
        lambda: plugin.create(KIND, "b", inputs(slot=1)),
        lambda: plugin.read(KIND, "a", taking, state),
        lambda: plugin.update(KIND, "a", taking, state, inputs()),
        lambda: plugin.delete(KIND, "a", taking, state),
    ):
        with pytest.raises(Fault, match="is damaged: ") as refused:
            deed()
        assert f"mv '{ledger}' '{ledger}.damaged'" in refused.value.message
        assert ledger.read_text() == text
    ledger.rename(f"{ledger}.damaged")  # the way out
    assert plugin.read(KIND, "a", taking, state) is None
    plugin.create(KIND, "a", inputs())
    assert held(ledger) == ["fw/0"]


def test_a_folder_that_is_not_there_is_named_and_nothing_is_left_to_give_back_in_it(
    plugin: Driver, ledger: Path, tmp_path: Path, inputs: Inputs
) -> None:
    nowhere = str(tmp_path / "nowhere" / "seats.json")
    with pytest.raises(Fault, match="No such file or directory") as refused:
        plugin.create(KIND, "a", inputs(ledger=nowhere))
    assert nowhere in refused.value.message
    taking, state, _ = plugin.create(KIND, "a", inputs())
    plugin.delete(KIND, "a", taking, state | {"ledger": nowhere})
    assert held(ledger) == ["fw/0"]


def test_a_ledger_behind_a_link_stays_behind_it(plugin: Driver, ledger: Path, tmp_path: Path, inputs: Inputs) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(ledger)
    plugin.create(KIND, "a", inputs(ledger=str(link)))
    assert link.is_symlink() and held(ledger) == ["fw/0"]


def test_links_in_a_circle_and_a_folder_are_no_ledger(plugin: Driver, tmp_path: Path, inputs: Inputs) -> None:
    circle = tmp_path / "circle.json"
    circle.symlink_to(circle)
    for path in (circle, tmp_path):
        for deed in (plugin.create, plugin.preview):
            with pytest.raises(Fault, match=f"The ledger `{path}` cannot be used: ") as refused:
                deed(KIND, "a", inputs(ledger=str(path)))
            assert refused.value.code == "FAILED_PRECONDITION"


def test_a_ledger_that_stays_locked_ends_with_one_clear_message(
    plugin: Driver, ledger: Path, inputs: Inputs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "LOCK_SECONDS", 0.2)
    inside, leave = threading.Event(), threading.Event()

    def stays(found: Any) -> Any:
        inside.set()
        assert leave.wait(30)
        return found

    call = Call()
    keeper = threading.Thread(target=ledger_module.LedgerFile(str(ledger)).change, args=(call, stays))
    keeper.start()
    try:
        assert inside.wait(10)
        with pytest.raises(Fault, match=r"has been locked by another run for 0.2 s"):
            plugin.create(KIND, "a", inputs())
    finally:
        leave.set()
        keeper.join(timeout=30)
    plugin.create(KIND, "a", inputs())


@contextmanager
def process(before: str = "") -> Iterator[Driver]:
    """The plugin as the engine starts it; `before` runs first in it."""
    program = f"import os, signal\n{before}\nfrom hdinfra.plugins.licence.__main__ import main\nmain()"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        try:
            with grpc.insecure_channel(f"127.0.0.1:{int(started.stdout.readline())}") as channel:
                driver = Driver(provider_pb2_grpc.ResourceProviderStub(channel), None)  # type: ignore[arg-type]
                assert driver.configure() == []
                yield driver
        finally:
            started.kill()


def test_many_at_once_in_two_processes_take_no_seat_too_many(ledger: Path, inputs: Inputs) -> None:
    def taken(plugin: Driver, slot: int) -> str:
        try:
            plugin.create(KIND, f"s{slot}", inputs(LONG, slot=slot))
        except Fault as fault:
            assert "byol.licence-count" in fault.message, fault
            return ""
        return f"fw/{slot}"

    with process() as one, process() as other, ThreadPoolExecutor(16) as pool:
        found = [pool.submit(taken, (one, other)[slot % 2], slot) for slot in range(16)]
        won = [name for future in found if (name := future.result(60))]
    assert len(won) == LONG.machines
    assert sorted(held(ledger)) == sorted(won)


DIES = "os.kill(os.getpid(), signal.SIGKILL)"


@pytest.mark.parametrize(
    ("before", "left"),
    [
        (f"os.fsync = lambda _: {DIES}", ["fw/0"]),
        (f"os.rename = lambda *_: {DIES}", ["fw/0"]),
        (f"real = os.rename; os.rename = lambda *paths: (real(*paths), {DIES})", ["fw/0", "fw/1"]),
    ],
    ids=["half written", "not yet renamed", "renamed"],
)
def test_killed_in_the_middle_of_a_write_it_leaves_a_whole_ledger(
    ledger: Path, inputs: Inputs, before: str, left: list[str]
) -> None:
    only = replace(LONG, machines=2)
    with process() as plugin:
        plugin.create(KIND, "a", inputs(only))
        with process(before) as dying, pytest.raises(Fault, match="UNAVAILABLE"):
            dying.create(KIND, "b", inputs(only, slot=1))
        assert held(ledger) == left
        plugin.create(KIND, "b", inputs(only, slot=1))  # what the engine does again
        assert held(ledger) == ["fw/0", "fw/1"]
        assert not list(ledger.parent.glob("*.half"))
