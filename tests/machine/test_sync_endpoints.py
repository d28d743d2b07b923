"""API machines that move are found, those that answer are not lost, and nobody else is believed to be one."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hdinfra.agent import durable, endpoints
from hdinfra.agent.endpoints import Endpoints
from hdinfra.agent.link import Endpoint
from hdinfra.agent.paths import CERTIFICATE, ENDPOINTS
from hdinfra.agent.problems import Problems
from tests.machine.sync_api import StandInApi, standing_in
from tests.machine.sync_machine import Place, on_disk, running
from tests.machine.sync_stack import Stack, eventually, waf

GONE = {"name": "c3-control-1", "ipv4": "127.0.0.1", "ipv6": "::1", "port": 1}


def api_machine(number: int, **changes: Any) -> dict[str, Any]:
    """As an API machine names another, or itself."""
    plain = {"name": f"c{number}-control-1", "ipv4": f"192.0.2.{number}", "ipv6": f"2001:db8::{number}", "port": 9000}
    return {**plain, **changes}


def at(number: int) -> Endpoint:
    """The same, as a machine knows it."""
    return Endpoint(f"c{number}-control-1", (f"2001:db8::{number}", f"192.0.2.{number}"), 9000)


class Told:
    """A machine's endpoints, with a clock that is set by hand. Its first boot named 1 and 2."""

    def __init__(self, root: Path) -> None:
        self.root, self.problems, self.now = root, Problems(), 0.0
        self.endpoints = self.started()

    def started(self) -> Endpoints:
        """Again."""
        return Endpoints((at(1), at(2)), self.root, self.problems, lambda: self.now)

    def tells(self, number: int, *named: int) -> list[int]:
        """Whom it knows after that."""
        self.endpoints.tell(at(number), [api_machine(each) for each in named])
        return self.known()

    def known(self) -> list[int]:
        return sorted(int(each.name[1:].partition("-")[0]) for each in self.endpoints.known)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    return Told(tmp_path)


def test_one_that_is_named_is_known_also_after_a_restart(told: Told) -> None:
    assert told.tells(1, 1, 2, 3) == [1, 2, 3]
    told.endpoints = told.started()
    assert told.known() == [1, 2, 3]


def test_one_that_answers_is_not_left_on_anothers_word(told: Told) -> None:
    for _ in range(20):
        assert told.tells(1, 1) == [1, 2]
        assert told.tells(2, 1, 2) == [1, 2]
        told.now += 10


def test_one_that_nobody_names_and_that_is_silent_is_left(told: Told) -> None:
    assert told.tells(1, 1, 3) == [1, 2, 3]
    told.now += 59
    assert told.tells(1, 1, 3) == [1, 2, 3]
    told.now += 2
    assert told.tells(1, 1, 3) == [1, 3]
    told.endpoints = told.started()
    assert told.known() == [1, 3]


def test_one_that_is_silent_and_still_named_is_kept(told: Told) -> None:
    for _ in range(20):
        assert told.tells(1, 1, 2) == [1, 2]
        told.now += 10


def test_one_that_does_not_count_itself_in_is_left(told: Told) -> None:
    told.tells(1, 1, 3)
    assert told.tells(2, 1, 3) == [1, 3]


def test_one_that_moved_is_known_where_it_is(told: Told) -> None:
    told.endpoints.tell(at(1), [api_machine(1), api_machine(2, ipv4="192.0.2.99")])
    told.now += 61
    told.endpoints.tell(at(1), [api_machine(1), api_machine(2, ipv4="192.0.2.99")])
    assert {each.addresses for each in told.endpoints.known} == {at(1).addresses, ("2001:db8::2", "192.0.2.99")}


def test_one_that_is_not_known_has_no_say(told: Told) -> None:
    assert told.tells(7, 7) == [1, 2]


def test_of_too_many_those_that_speak_are_kept(told: Told) -> None:
    told.tells(2, 1, 2)
    for first in (100, 120, 140):
        known = told.tells(1, 1, *range(first, first + 15))
        assert (known[:2], len(known)) == ([1, 2], 16)


@pytest.mark.parametrize("nothing", [None, [], "", {}])
def test_no_word_changes_nothing(told: Told, nothing: object) -> None:
    told.endpoints.tell(at(1), nothing)
    assert (told.known(), told.problems.texts(), list(told.root.iterdir())) == ([1, 2], [], [])


REFUSED: dict[str, Any] = {
    "endpoints: 'x' is not a list": "x",
    "endpoints[0]: 5 is not an object": [5],
    "endpoints[0]: keys ['port']": [{"name": "a", "ipv4": "192.0.2.1", "ipv6": "::1"}],
    "endpoints[0]: keys ['more']": [api_machine(3, more=1)],
    "endpoints[0].name: 'a b'": [api_machine(3, name="a b")],
    "endpoints[0].name: '../x'": [api_machine(3, name="../x")],
    "endpoints[0].ipv4: 'evil.test'": [api_machine(3, ipv4="evil.test")],
    "endpoints[0].ipv4: '::1'": [api_machine(3, ipv4="::1")],
    "endpoints[0].ipv6: 'fe80::1%x y'": [api_machine(3, ipv6="fe80::1%x y")],
    "endpoints[1].port: 0": [api_machine(3), api_machine(4, port=0)],
    "endpoints[0].port: '9000'": [api_machine(3, port="9000")],
    "endpoints: 17 entries; 16 are the most": [api_machine(number) for number in range(17)],
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_no_place_of_an_api_machine_is_refused_and_named(told: Told, words: str) -> None:
    told.endpoints.tell(at(1), REFUSED[words])
    assert told.known() == [1, 2]
    (problem,) = told.problems.texts()
    assert problem.startswith(f"endpoints by c1-control-1: {words}")
    told.tells(1, 1, 2)
    assert told.problems.texts() == []


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"[]",
        b"5",
        b"[" * 100_000,
        b"\xff",
        b'[{"name": "x", "addresses": [], "port": 1}]',
        b'[{"name": "x", "addresses": ["evil.test"], "port": 1}]',
        b'[{"name": "x y", "addresses": ["::1"], "port": 1}]',
    ],
    ids=lambda kept: str(kept[:60]),
)
def test_what_was_kept_and_is_not_as_it_must_be_counts_for_nothing(told: Told, kept: bytes) -> None:
    path = told.root / ENDPOINTS.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_bytes(kept)
    told.endpoints = told.started()
    assert told.known() == [1, 2]


def test_a_full_disk_is_named_and_the_new_ones_known_all_the_same(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable, "_write", full)
        assert told.tells(1, 1, 2, 3) == [1, 2, 3]
        assert "No space left on device" in told.problems.texts()[0]
    assert told.tells(1, 1, 2, 3, 4) == [1, 2, 3, 4]
    assert told.problems.texts() == []


def telling(monkeypatch: pytest.MonkeyPatch, stand_in: StandInApi, *named: dict[str, Any]) -> None:
    """From now on this stand-in says that these are all API machines."""
    real = StandInApi.sync
    monkeypatch.setattr(
        stand_in,
        "sync",
        lambda seen, seconds: {**real(stand_in, seen, seconds), "endpoints": list(named)},
        raising=False,
    )


def keep(place: Place, *named: dict[str, Any]) -> None:
    """As it was told in an earlier life."""
    kept = [{"name": each["name"], "addresses": [each["ipv6"], each["ipv4"]], "port": each["port"]} for each in named]
    path = place.root / ENDPOINTS.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(kept))


def test_a_machine_finds_an_api_machine_that_came_later(
    place: Place, stand_in: StandInApi, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    with standing_in(stack, "c2-control-1") as later:
        place.told(stand_in.endpoint)
        later.offers(stack.release(2, waf("b.test")))
        with running(place) as daemon:
            eventually(lambda: stand_in.reports, because=daemon.status)
            assert later.reports == []
            telling(monkeypatch, stand_in, stand_in.endpoint, later.endpoint)
            stand_in.offers()
            eventually(lambda: later.reports and later.reports[-1]["number"] == 2, because=daemon.status)
            assert on_disk(place.root) == {"b.test": "MITIGATION"}
            assert set(daemon.status()["seen"]) == {"c1-control-1", "c2-control-1"}


def test_a_machine_starts_with_those_that_it_was_told_of(place: Place, stand_in: StandInApi) -> None:
    place.told(GONE)
    keep(place, stand_in.endpoint)
    with running(place) as daemon:
        eventually(lambda: stand_in.reports, because=daemon.status)
        assert daemon.problems.texts() == []


def test_a_machine_enrols_where_its_first_boot_said_if_nowhere_else(place: Place, stand_in: StandInApi) -> None:
    place.told(stand_in.endpoint)
    keep(place, GONE)
    with running(place) as daemon:
        eventually((place.root / CERTIFICATE.lstrip("/")).exists, because=daemon.status)
    assert len(stand_in.enrolled) == 1


def test_what_was_wrong_with_an_api_machine_goes_with_it(
    place: Place, stand_in: StandInApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "_SILENT_SECONDS", 0.2)
    place.told(GONE, stand_in.endpoint)

    def is_named() -> bool:
        return any("c3-control-1: unreachable" in each for each in daemon.problems.texts())

    def is_gone() -> bool:
        stand_in.offers()  # so that it tells again
        return not is_named()

    with running(place) as daemon:
        eventually(is_named, because=daemon.status)
        telling(monkeypatch, stand_in, stand_in.endpoint)
        eventually(is_gone, because=daemon.status)
        assert daemon.talks is not None
        eventually(lambda: len(daemon.talks._held) == 1)  # type: ignore[union-attr]


def role(stack: Stack, monkeypatch: pytest.MonkeyPatch, name: str, of: str) -> None:
    """Whoever stands in as that API machine has a certificate of another role."""
    real: Callable[..., tuple[str, str]] = stack.leaf
    monkeypatch.setattr(stack, "leaf", lambda asked, _: real(asked, of if asked == name else "control"))


def test_a_machine_that_is_no_api_machine_is_told_nothing(
    place: Place, stand_in: StandInApi, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    role(stack, monkeypatch, "c2-waf-1", "waf")
    with standing_in(stack, "c2-waf-1") as thief:
        place.told(stand_in.endpoint)
        telling(monkeypatch, stand_in, stand_in.endpoint, thief.endpoint)
        with running(place) as daemon:
            words = "its certificate is that of `c2-waf-1`, a waf, and not an API machine's"
            eventually(lambda: any(words in each for each in daemon.problems.texts()), because=daemon.status)
            eventually(lambda: stand_in.reports, because=daemon.status)
        assert (thief.reports, thief.enrolled) == ([], [])


def test_every_certificate_is_good_for_localhost_and_yet_none_is_believed(place: Place, stack: Stack) -> None:
    """So the name in the certificate itself counts, not only one of those that TLS looks at."""
    with standing_in(stack, "c2-control-1") as other:
        place.told({**other.endpoint, "name": "localhost"})
        with running(place) as daemon:
            eventually(lambda: any("that of `c2-control-1`" in each for each in daemon.problems.texts()))
        assert other.enrolled == []
