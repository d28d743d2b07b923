"""What a real machine answers at `/edge-health`: its HAProxy, its hdsync, under a real systemd."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from hdinfra.agent.health_watch import LIFE_SECONDS
from hdinfra.agent.paths import HEALTH_HOST, HEALTH_PATH, LATCH
from hdinfra.plugins.local.engine import Engine
from tests.machine.debian import Debian
from tests.machine.sync_stack import eventually
from tests.machine.tenants_machine import applied, asked, policy, waf_machine

HOST = "shop.acme.test"
PRIMARY = "http://127.0.0.1:8008/primary"
# Plays a database's own check, such as Patroni's: what it answers lies in a file.
PLAYED_DATABASE = """
import http.server, pathlib
class Database(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(int(pathlib.Path("/root" + self.path).read_text()))
        self.end_headers()
    def log_message(self, *_): ...
http.server.ThreadingHTTPServer(("127.0.0.1", 8008), Database).serve_forever()
"""
BOUNDS = {"latch": False, "outage_seconds": 1, "disk_free_percent": 0, "load_per_core": 1_000}


def document(**health: Any) -> Mapping[str, Any]:
    """One site, and this of health; the machine's own disk and load are the host's, so they do not count here."""
    return {**policy(("acme", HOST)), "health": {**BOUNDS, **health}}


@pytest.fixture(scope="module")
def place(engine: Engine) -> Iterator[Debian]:
    """A machine with a policy, whose hdsync runs."""
    with waf_machine(engine) as made:
        made.put({"/root/database.py": PLAYED_DATABASE, "/root/primary": "200", "/root/rejoined": "503"})
        made.run("systemd-run", "--unit=database", "/usr/bin/python3", "/root/database.py")
        applied(made, document())
        assert made.run("systemctl", "start", "hdsync") == (0, "")
        yield made


def answer(place: Debian, host: str = HOST) -> tuple[int, str]:
    """Status and body."""
    return asked(place, (host, HEALTH_PATH, {}))[0]


def health(place: Debian, *words: str) -> Any:
    """What the operator is told."""
    code, said = place.run("hdctl", *(words or ("health",)), "--json")
    assert code == 0, said
    return json.loads(said)


def well(place: Debian, within: float = 15) -> None:
    eventually(lambda: answer(place) == (200, "ok"), within, lambda: place.run("hdctl", "health")[1])


def ill(place: Debian, within: float = 15) -> None:
    eventually(lambda: answer(place) == (503, "ill"), within, lambda: place.run("hdctl", "health")[1])


def test_it_answers_one_word_whatever_the_host(place: Debian) -> None:
    well(place)
    assert [answer(place, host) for host in (HEALTH_HOST, "192.0.2.1", "nobody.test")] == [(200, "ok")] * 3
    assert health(place)["well"] is True
    assert asked(place, (HOST, "/edge-healthy", {}))[0][0] == 200  # the site's own path: its origin answers anything


def test_who_drains_it_is_told_why(place: Debian) -> None:
    assert place.run("hdctl", "drain")[0] == 0
    ill(place)
    assert health(place)["reasons"] == ["it is drained"]
    assert place.run("hdctl", "undrain")[0] == 0
    well(place)


def test_a_standby_says_503_while_writes_are_not_possible(place: Debian) -> None:
    applied(place, document(writes=PRIMARY))
    well(place)
    place.put({"/root/primary": "503"})
    ill(place)
    assert health(place)["reasons"] == ["writes are not possible: their check answers 503"]
    place.put({"/root/primary": "200"})
    well(place)


def test_the_answer_of_an_agent_that_hangs_passes_by_itself_and_a_restart_is_not_seen(place: Debian) -> None:
    well(place)
    assert place.run("systemctl", "restart", "hdsync", "haproxy")[0] == 0
    eventually(lambda: answer(place)[0] == 200, 3)
    place.run("systemctl", "kill", "--signal=STOP", "hdsync")
    try:
        assert answer(place)[0] == 200
        ill(place, LIFE_SECONDS + 5)
    finally:
        place.run("systemctl", "kill", "--signal=CONT", "hdsync")
    well(place)


def test_the_latch_holds_over_a_restart_and_an_operator_opens_it(place: Debian) -> None:
    applied(place, document(latch=True, writes=PRIMARY))
    well(place)
    eventually(lambda: place.run("test", "-e", LATCH)[0] == 0)
    place.put({"/root/primary": "503"})
    eventually(lambda: health(place)["latched"])
    place.put({"/root/primary": "200"})
    eventually(lambda: health(place)["reasons"] == [])
    assert place.run("systemctl", "restart", "hdsync")[0] == 0
    eventually(lambda: place.run("hdctl", "health")[0] == 0)
    eventually(lambda: health(place)["well"] is False)
    assert answer(place) == (503, "ill")
    assert "hdctl latch release" in place.run("hdctl", "health")[1]
    assert health(place, "latch", "release") == {"latched": None}
    well(place)


def test_the_rejoin_check_opens_it_alone(place: Debian) -> None:
    applied(place, document(latch=True, writes=PRIMARY, rejoin="http://127.0.0.1:8008/rejoined"))
    well(place)
    place.put({"/root/primary": "503"})
    eventually(lambda: health(place)["latched"])
    place.put({"/root/primary": "200"})
    eventually(lambda: health(place)["reasons"] == [])
    assert answer(place) == (503, "ill")
    place.put({"/root/rejoined": "200"})
    well(place)


def test_who_was_cut_off_knows_by_the_silence(place: Debian) -> None:
    """Nobody from outside asks here at all."""
    applied(place, document(latch=True, silence_seconds=2))
    eventually(lambda: any("cut off" in reason for reason in health(place)["reasons"]), 15)


def test_a_machine_that_nobody_looks_after_has_no_such_path(place: Debian) -> None:
    applied(place, policy(("acme", HOST)))
    assert answer(place)[0] == 200 and "host" in json.loads(answer(place)[1])  # as any path of the site
    assert answer(place, "nobody.test")[0] == 421
