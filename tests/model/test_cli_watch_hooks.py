"""Alarms of `hdinfra watch` reach their receivers, in order, once, and outlive the watcher."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from hdinfra.model.healing.memory import Look, Nothing
from hdinfra.operate.errors import EngineError
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.watch_hooks import Alert, Hooks, payload
from hdinfra.operate.watch_journal import Journal
from tests.model.healing_looks import ALL_UP
from tests.model.played_zone import HEALING, Killed, PlayedZone, kinds, looks, watch_of


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


def test_a_stack_that_cannot_be_read_is_no_loss_and_a_human_is_called_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, receiver: Receiver
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
