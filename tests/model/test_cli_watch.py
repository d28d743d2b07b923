"""`hdinfra watch`: killed at any moment it neither does a thing twice nor forgets it, and its log says why."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from subprocess import PIPE, CompletedProcess, Popen
from typing import Any

import pytest

from hdinfra.model.healing.memory import Alarm, Look, Nothing, Withdraw
from hdinfra.operate.errors import EngineError, HealError
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.watch import Outcome, Watch, heal_apart
from hdinfra.operate.watch_eyes import Facts
from hdinfra.operate.watch_hooks import Alert, Hooks, payload
from hdinfra.operate.watch_journal import Journal
from hdinfra.operate.workspace import Workspace
from tests.model.healing_looks import A_LOST, ALL_UP, CLUSTERS, look_of

HEALING = {"settle_seconds": 2}


class Killed(BaseException):
    """What SIGKILL would be: nobody catches it."""


@dataclass
class PlayedZone:
    """A stand-in for the stack: what is seen of it, and what heals made of it. It is `busy` while one runs."""

    view: dict[str, bool] = field(default_factory=lambda: dict(A_LOST))
    withdrawn: tuple[str, ...] = ()
    healing: dict[str, Any] = field(default_factory=lambda: dict(HEALING))
    busy: str = ""
    heals: list[str] = field(default_factory=list)
    made: int = 0
    fails: int = 0
    locked: int = 0
    now: float = 1_000.0

    @property
    def facts(self) -> Facts:
        return Facts("played", CLUSTERS, self.withdrawn, self.healing, (), "", "")

    def look(self) -> Look:
        staying = tuple(name for name in CLUSTERS if name not in self.withdrawn)
        return look_of(self.view, staying, self.withdrawn, self.busy)

    def forget(self) -> None:
        pass

    def heal(self, decision: Withdraw) -> Outcome:
        """Idempotent, as the real one: what is done already is not done again."""
        assert not self.busy, "two at once"
        self.heals.append(decision.cluster)
        if self.locked:
            self.locked -= 1
            return Outcome(False, "the stack is currently locked by 1 lock(s)", locked=True)
        if self.fails:
            self.fails -= 1
            return Outcome(False, "no room anywhere")
        if decision.cluster not in self.withdrawn:
            self.made += 1
            self.withdrawn = (*self.withdrawn, decision.cluster)
        return Outcome(True, "made c-web-1", said="a killed run left c-web-0 half done")

    def clock(self) -> float:
        self.now += 2.0
        return self.now


def watch_of(zone: PlayedZone, folder: Path) -> Watch:
    journal = Journal(folder, "played", clock=lambda: zone.now)
    return Watch(zone, zone.heal, journal, zone.clock, Hooks(journal.spool))


def looks(watch: Watch, count: int) -> None:
    """One after the other."""
    for _ in range(count):
        watch.once()


def kinds(folder: Path) -> list[str]:
    return [str(entry["kind"]) for entry in Journal(folder, "played").entries()]


def test_a_loss_is_healed_once_and_the_log_has_the_evidence(tmp_path: Path) -> None:
    zone = PlayedZone()
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for _ in range(20):
        watch.once()
    assert zone.heals == ["a"]
    entries = {str(entry["kind"]): entry for entry in watch.journal.entries()}
    witnesses = {(one["witness"], one["up"]) for one in entries["withdraw"]["evidence"]}
    assert witnesses == {("east-edge", False), ("west-edge", False)}
    assert (entries["healed"]["cluster"], entries["healed"]["reason"]) == ("a", "made c-web-1")
    assert "c-web-0" in entries["healed"]["said"], "what a heal says on its way is lost"
    assert kinds(tmp_path)[:2] == ["start", "nothing"]


def test_a_heal_apart_is_told_with_what_it_said_on_its_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ends = iter(
        [
            (0, '{"comes": ["c-web-1"]}', "a killed run left c-web-0 half done\n"),
            (3, "", "no room anywhere\n"),
            (75, "", ""),
        ]
    )
    monkeypatch.setattr(
        "hdinfra.operate.watch.subprocess.run", lambda command, **_: CompletedProcess(command, *next(ends))
    )
    heals, order = heal_apart(Workspace(tmp_path, "played", {})), Withdraw("a", ())
    said = "a killed run left c-web-0 half done"
    assert heals(order) == Outcome(True, "made c-web-1", {"comes": ["c-web-1"]}, said)
    assert heals(order) == Outcome(False, "no room anywhere")
    assert heals(order) == Outcome(False, "it ended with 75", locked=True)


@dataclass
class Deadly:
    """Kills at the n-th of everything that leaves a trace, before it or after it."""

    at: int
    count: int = 0

    def wrap(self, deed: Callable[..., Any]) -> Callable[..., Any]:
        def dies(*args: Any, **kwargs: Any) -> Any:
            self.strike()
            result = deed(*args, **kwargs)
            self.strike()
            return result

        return dies

    def strike(self) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


def deadly_run(zone: PlayedZone, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> bool:
    """One watcher that dies at that moment; whether it did."""
    death = Deadly(at)
    watch = watch_of(zone, folder)
    watch.heals = death.wrap(watch.heals)
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "write", death.wrap(Journal.write))
        patched.setattr(Journal, "remember", death.wrap(Journal.remember))
        patched.setattr(Hooks, "send", death.wrap(Hooks.send))
        try:
            watch.begin()
            for _ in range(8):
                watch.once()
        except Killed:
            return True
    return False


def test_killed_at_any_moment_the_next_one_finishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = 0
    for at in range(1, 100):
        zone, folder = PlayedZone(), tmp_path / str(at)
        died = deadly_run(zone, folder, monkeypatch, at)
        after = watch_of(zone, folder)
        after.begin()
        for _ in range(8):
            after.once()
        assert zone.withdrawn == ("a",) and zone.made == 1, f"killed at {at}"
        assert after.memory.healing is None and after.memory.left is None
        assert len(after.memory.changes) == 1, "the hour's budget is charged once"
        if not died:
            break
        moments += 1
    assert moments >= 12, "it died at every write, before and after"


def restored(zone: PlayedZone) -> None:
    """The Cluster came back and an operator let it in."""
    zone.view, zone.withdrawn = dict(ALL_UP), ()


def left_to_humans(zone: PlayedZone) -> None:
    """The spec was changed."""
    zone.healing = {**HEALING, "act": "alarm"}


def kept(zone: PlayedZone) -> None:
    """The same, for this Cluster."""
    zone.healing = {**HEALING, "keep": ["a"]}


def darker(zone: PlayedZone) -> None:
    """Half of the Clusters look lost."""
    zone.view = {"a": False, "b": False, "c": True}


def removed(zone: PlayedZone) -> None:
    """Nobody speaks of it any more."""
    zone.view = {"b": True, "c": True}


@pytest.mark.parametrize("change", [restored, left_to_humans, kept, darker, removed])
def test_killed_at_any_moment_and_the_world_changes_the_next_one_looks_first(
    change: Callable[[PlayedZone], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day passes between the two."""
    moments = begun = 0
    for at in range(1, 100):
        zone, folder = PlayedZone(), tmp_path / str(at)
        if not deadly_run(zone, folder, monkeypatch, at):
            break
        moments += 1
        was_begun = Journal(folder, "played").memory().healing == "a"
        was_withdrawn, before = "a" in zone.withdrawn, len(zone.heals)
        change(zone)
        zone.now += 86_400.0
        after = watch_of(zone, folder)
        after.begin()
        looks(after, 12)
        begun += was_begun
        if not was_withdrawn or change is restored:
            assert len(zone.heals) == before, f"killed at {at}: it was healed unseen"
        told = [entry for entry in after.journal.entries() if entry["kind"] == "given-up"]
        if was_begun and change is restored:
            assert [one["cluster"] for one in told] == ["a"] and "well now" in told[0]["reason"]
            assert after.memory.left is None
    assert moments >= 12 and begun >= 5


def test_a_heal_that_outlives_its_watcher_is_waited_for(tmp_path: Path) -> None:
    zone = PlayedZone()

    def dies(_: Withdraw) -> Outcome:
        raise Killed

    watch = watch_of(zone, tmp_path)
    watch.heals = dies
    watch.begin()
    with pytest.raises(Killed):
        for _ in range(8):
            watch.once()
    zone.busy = "process 7"
    after = watch_of(zone, tmp_path)
    after.begin()
    assert after.once() == Nothing("a heal of `a` was begun, and process 7 is changing the stack")
    assert zone.heals == []
    zone.busy = ""
    looks(after, 2)
    assert zone.heals == ["a"] and zone.made == 1
    entry = next(one for one in after.journal.entries() if one["kind"] == "going-on")
    assert {one["witness"] for one in entry["evidence"]} == {"east-edge", "west-edge"}, "by what is seen now"


def test_a_heal_that_finds_the_stack_locked_uses_nothing_up_and_a_human_is_called_in_the_end(tmp_path: Path) -> None:
    zone = PlayedZone(locked=1_000)
    watch = watch_of(zone, tmp_path)
    watch.begin()
    looks(watch, 600)
    assert 10 < len(zone.heals) < 60, "with pauses"
    entries = list(watch.journal.entries())
    assert [one["code"] for one in entries if one["kind"] == "alarm"] == ["blocked"]
    assert len(entries) < 20, "what does not change is not written again"
    zone.locked = 0
    looks(watch, 20)
    assert zone.withdrawn == ("a",) and zone.made == 1
    assert len(watch.memory.changes) == 1 and watch.memory.locked_by == ""


def test_a_heal_that_fails_is_tried_as_often_as_the_budget_allows(tmp_path: Path) -> None:
    zone = PlayedZone(fails=100)
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for _ in range(60):
        watch.once()
    assert zone.heals == ["a", "a"]
    alarms = [entry["code"] for entry in watch.journal.entries() if entry["kind"] == "alarm"]
    assert alarms == ["budget"]


def test_what_does_not_change_is_not_written_again(tmp_path: Path) -> None:
    zone = PlayedZone(view=dict(ALL_UP))
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for _ in range(50):
        watch.once()
    assert kinds(tmp_path) == ["start", "nothing"]


def test_a_stack_that_cannot_be_read_is_no_loss_and_a_human_is_called_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: "Receiver"
) -> None:
    def unreadable(_: PlayedZone) -> Look:
        raise EngineError("the passphrase is wrong")

    zone = PlayedZone(view=dict(ALL_UP), healing={**HEALING, "webhooks": [receiver.url]})
    looks(watch_of(zone, tmp_path), 1)
    with monkeypatch.context() as patched:
        patched.setattr(PlayedZone, "look", unreadable)
        watch = watch_of(zone, tmp_path)
        watch.begin()
        assert watch.once() == watch.once() == Nothing("the passphrase is wrong")
        looks(watch, 20)
        assert kinds(tmp_path)[1:] == ["start", "blind", "alarm", "blind"]
        watch.hooks.flush(20)
        (told,) = receiver.got
        labels = told["commonLabels"]
        assert (labels["code"], labels["zone"], labels["severity"]) == ("blind", "played", "critical")
        assert "the passphrase is wrong" in told["commonAnnotations"]["summary"]
    looks(watch, 2)
    assert kinds(tmp_path)[-2:] == ["over", "nothing"]
    watch.hooks.flush(20)
    assert [one["status"] for one in receiver.got] == ["firing", "resolved"]


def test_a_flapping_one_is_forgiven_while_somebody_watches(tmp_path: Path) -> None:
    zone = PlayedZone()
    watch = watch_of(zone, tmp_path)
    watch.begin()
    for index in range(60):
        zone.view = dict(A_LOST if index % 4 < 2 else ALL_UP)
        zone.healing = {"settle_seconds": 60}
        watch.once()
    assert watch.memory.records["a"].is_flapping
    Journal(tmp_path, "played").ask_to_forgive("a")
    watch.once()
    assert not watch.memory.records["a"].is_flapping
    assert "over" in kinds(tmp_path), "the alarm does not stand any more"


def test_half_a_line_takes_no_whole_one_along(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "played")
    journal.write("start")
    with journal.path.open("a") as file:
        file.write('{"at": "2026-')
    journal.write("stop")
    assert kinds(tmp_path) == ["start", "stop"]


def test_an_unreadable_memory_is_an_empty_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "played")
    (tmp_path / "played.memory.json").write_text('{"now": 1')
    assert journal.memory().records == {}


HOLD = """
import sys
from pathlib import Path
from hdinfra.operate.watch_journal import Journal
with Journal(Path(sys.argv[1]), "played").lease():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_of_two_watchers_one_acts(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "played")
    with Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdin=PIPE, stdout=PIPE, text=True) as other:
        assert other.stdout and other.stdout.readline() == "held\n"
        with pytest.raises(HealError, match=f"watched already by process {other.pid} since"), journal.lease():
            pass
        other.kill()
        other.wait(30)
        with journal.lease():
            pass  # the kernel ended it with the process


@dataclass
class Receiver:
    """Plays whoever takes webhooks; answers `status`."""

    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """On a port of its own."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()


def test_alarms_and_their_end_are_posted(tmp_path: Path, receiver: Receiver) -> None:
    zone = PlayedZone(view={"a": False, "b": False}, healing={**HEALING, "webhooks": [receiver.url]})
    watch = watch_of(zone, tmp_path)
    for _ in range(5):
        decision = watch.once()
    assert isinstance(decision, Nothing)
    zone.view = dict(ALL_UP)
    watch.once()
    assert seconds_until(lambda: len(receiver.got) == 2, within=20) is not None
    firing, resolved = receiver.got
    assert firing["alerts"][0]["labels"]["code"] == "half-lost"
    assert (firing["status"], resolved["status"]) == ("firing", "resolved")
    assert firing["groupKey"] == resolved["groupKey"]
    assert firing["alerts"][0]["endsAt"] == "0001-01-01T00:00:00Z" != resolved["alerts"][0]["endsAt"]


ALERT = Alert("z", "budget", "a", "x", "2026-01-01T00:00:00Z")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pauses for long between two tries."""
    monkeypatch.setattr("hdinfra.operate.watch_hooks._PAUSES_SECONDS", (0.01,))


@pytest.mark.usefixtures("impatient")
def test_a_receiver_that_was_away_is_told_when_it_is_back_and_the_log_says_so(
    tmp_path: Path, receiver: Receiver
) -> None:
    receiver.status = 500
    zone = PlayedZone(view={"a": False, "b": False}, healing={**HEALING, "webhooks": [receiver.url]})
    watch = watch_of(zone, tmp_path)
    looks(watch, 5)
    assert seconds_until(lambda: len(receiver.got) >= 5, within=20) is not None
    looks(watch, 1)
    (entry,) = (one for one in watch.journal.entries() if one["kind"] == "undelivered")
    assert entry["code"] == "half-lost" and "HTTP 500" in entry["reason"] and "/hook" not in entry["reason"]
    receiver.status = 200
    watch.hooks.flush(20)
    count = len(receiver.got)
    looks(watch, 3)
    assert kinds(tmp_path).count("undelivered") == 1 and len(receiver.got) == count, "taken once"
    assert json.loads(watch.journal.spool.read_text()) == []


@pytest.mark.usefixtures("impatient")
def test_an_alarm_that_nobody_took_outlives_the_watcher(tmp_path: Path, receiver: Receiver) -> None:
    receiver.status = 503
    Hooks(tmp_path / "hooks.json").send([receiver.url], ALERT)
    assert (tmp_path / "hooks.json").stat().st_mode & 0o777 == 0o600, "an address may be a secret"
    later = Hooks(tmp_path / "hooks.json")
    receiver.status = 200
    later.resume()
    later.flush(20)
    assert json.loads((tmp_path / "hooks.json").read_text()) == []
    assert receiver.got[-1]["commonLabels"]["code"] == "budget"


@pytest.mark.usefixtures("impatient")
def test_one_receiver_that_is_away_holds_no_other_up_and_each_is_told_in_order(receiver: Receiver) -> None:
    hooks = Hooks()
    for index in range(5):
        hooks.send(["http://127.0.0.1:9/", receiver.url], replace(ALERT, summary=str(index)))
    assert seconds_until(lambda: len(receiver.got) == 5, within=20) is not None
    assert [one["commonAnnotations"]["summary"] for one in receiver.got] == list("01234")


def test_a_flood_of_alarms_waits_for_nobody_and_the_oldest_are_given_up_and_named(tmp_path: Path) -> None:
    hooks = Hooks(tmp_path / "hooks.json")
    for _ in range(300):
        hooks.send(["http://user:word@127.0.0.1:9/secret"], ALERT)
    given_up = [one for one in hooks.troubles() if "given up" in one.why]
    assert len(given_up) == 200 and {one.to for one in given_up} == {"http://127.0.0.1:9"}
    assert hooks.troubles() == []
    assert len(json.loads((tmp_path / "hooks.json").read_text())) == 100


def test_an_alarm_is_on_its_way_before_it_counts_as_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed in between it is told twice, and never not at all."""
    healing = {**HEALING, "webhooks": ["http://127.0.0.1:9/"]}
    watch = watch_of(PlayedZone(view={"a": False, "b": False}, healing=healing), tmp_path)

    def dies(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(Journal, "remember", dies)
    with pytest.raises(Killed):
        looks(watch, 5)
    (kept,) = json.loads(watch.journal.spool.read_text())
    assert kept["body"]["commonLabels"]["code"] == "half-lost"


def test_the_format_is_alertmanagers() -> None:
    body = payload(Alert("india", "split-view", "a", "two disagree", "2026-01-01T00:00:00Z"))
    assert body["version"] == "4" and body["status"] == "firing"
    assert body["alerts"][0]["labels"] == {
        "alertname": "HdinfraHealing",
        "code": "split-view",
        "severity": "critical",
        "zone": "india",
        "cluster": "a",
    }


def test_an_alarm_is_a_decision_as_well(tmp_path: Path) -> None:
    watch = watch_of(PlayedZone(view={"a": False, "b": False}), tmp_path)
    found = [watch.once() for _ in range(4)]
    assert [one.code for one in found if isinstance(one, Alarm)] == ["half-lost"]
