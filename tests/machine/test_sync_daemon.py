"""The daemon with a stand-in API over real TLS: it enrols, follows, reports, and nothing from the network ends it."""

import json
import stat
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler

import pytest

from hdinfra.agent.hdsync import Daemon
from hdinfra.agent.paths import CERTIFICATE, FIRST_BOOT, KEY, PROFILE
from hdinfra.agent.versions import opened
from hdinfra.protocol import certificate
from tests.machine.sync_api import StandInApi, standing_in
from tests.machine.sync_machine import Place, on_disk, running
from tests.machine.sync_stack import API, ME, Stack, eventually, offer, waf


def problem(stand_in: StandInApi, words: str) -> Callable[[], bool]:
    """Whether the machine's own words about what is wrong contain these."""
    return lambda: any(words in each for report in stand_in.reports[-1:] for each in report["problems"])


def test_enrols_and_follows_and_reports(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    place.told(stand_in.endpoint)
    stand_in.offers(stack.release(1, waf("a.test")))
    with running(place) as daemon:
        eventually(lambda: [r["number"] for r in stand_in.reports[-1:]] == [1], because=daemon.status)
        stand_in.offers(stack.release(1, waf("a.test")), settings=[stack.setting(3, "a.test", mode="RECORD")])
        eventually(lambda: [r["settings"] for r in stand_in.reports[-1:]] == [3], because=daemon.status)
        assert on_disk(place.root) == {"a.test": "RECORD"}
        report = stand_in.reports[-1]
        document = daemon.applier.current()
        assert document is not None
        assert report == {
            "number": 1,
            "settings": 3,
            "digest": document.digest,
            "serving": True,
            "failed": None,
            "drained": False,
            "overrides": {},
            "code": "",
            "problems": [],
        }


@pytest.mark.parametrize(("line", "told"), [("ab" * 32, "ab" * 32), ("", None), ("latest", None)])
def test_a_server_of_ones_own_reports_its_profile(place: Place, line: str, told: str | None) -> None:
    place.told()
    (place.root / PROFILE.lstrip("/")).write_text(f"{line}\n")
    assert Daemon(place.root, place.program.run, place.port).report().get("profile") == told


def test_a_version_in_doubt_is_not_reported_as_serving(place: Place, stack: Stack) -> None:
    place.told()
    daemon = Daemon(place.root, place.program.run, place.port)
    releases = [stack.release(1, waf("a.test")), stack.release(2, waf("a.test", "b.test"), bake_seconds=300.0)]
    for sealed in releases:
        daemon.keeper.offer(API, opened(offer([sealed]), stack.trust, time.time()))
        daemon.keeper.step()
    assert (daemon.report()["number"], daemon.report()["serving"]) == (2, True)
    place.program.ill = {"a.test"}
    daemon.keeper.step()
    assert (daemon.report()["number"], daemon.report()["serving"]) == (2, False)


def test_the_key_stays_and_the_token_goes(place: Place, stand_in: StandInApi) -> None:
    place.told(stand_in.endpoint)
    with running(place) as daemon:
        eventually(daemon.papers.have.is_set if daemon.papers else bool, because=daemon.status)
        eventually(lambda: json.loads((place.root / FIRST_BOOT.lstrip("/")).read_text())["token"] is None)
    modes = {stat.S_IMODE((place.root / path.lstrip("/")).stat().st_mode) for path in (KEY, CERTIFICATE, FIRST_BOOT)}
    assert modes == {0o600}
    with running(place) as again:
        assert again.papers is not None
        assert again.papers.have.is_set()
    assert len(stand_in.enrolled) == 1


def test_a_refused_token_is_said_once_and_the_policy_served_on(
    place: Place, stand_in: StandInApi, capsys: pytest.CaptureFixture[str]
) -> None:
    place.told(stand_in.endpoint)
    keeper = place.keeper()
    keeper.applier.apply(json.dumps(waf("a.test")).encode(), 1)
    stand_in.refuses["/v1/enrol"] = (403, "token.expired")
    with running(place) as daemon:
        eventually(lambda: any("token.expired" in each for each in daemon.problems.texts()))
        assert daemon.status()["serving"]
    assert capsys.readouterr().err.count("token.expired") == 1


def test_a_certificate_for_another_machine_is_not_kept(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    place.told(stand_in.endpoint)
    real = stack.certified
    stand_in.stack.certified = lambda csr, _name, role, **more: real(csr, "c9-other-1", role, **more)  # type: ignore[method-assign]
    with running(place) as daemon:
        eventually(lambda: any("`c9-other-1`" in each for each in daemon.problems.texts()))
    assert not (place.root / CERTIFICATE.lstrip("/")).exists()


def test_a_certificate_for_another_key_is_not_kept(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    place.told(stand_in.endpoint)
    real, other = stack.certified, certificate.request(certificate.new_key(), ME)
    stand_in.stack.certified = lambda _csr, name, role, **more: real(other, name, role, **more)  # type: ignore[method-assign]
    with running(place) as daemon:
        eventually(lambda: any("for another key" in each for each in daemon.problems.texts()))
    assert not (place.root / CERTIFICATE.lstrip("/")).exists()


def test_an_api_that_the_root_did_not_certify_gets_nothing(place: Place) -> None:
    with standing_in(Stack()) as stranger:
        place.told(stranger.endpoint)
        with running(place) as daemon:
            eventually(lambda: any("not to be trusted" in each for each in daemon.problems.texts()))
        assert (stranger.enrolled, stranger.reports) == ([], [])


def test_renews_with_the_same_key_before_the_end(place: Place, stand_in: StandInApi) -> None:
    place.told(stand_in.endpoint)
    stand_in.issued_ago_hours = certificate.LEAF_HOURS - certificate.RENEW_HOURS + 1
    with running(place) as daemon:
        eventually(daemon.papers.have.is_set if daemon.papers else bool)
    with running(place) as again:
        eventually(lambda: stand_in.renewed, because=again.status)
        assert again.papers is not None
        eventually(lambda: again.papers and (again.papers.ends_at or 0) > time.time() + 20 * 3600)
    assert stand_in.renewed == stand_in.enrolled


def _answers(raw: bytes, length: int | None = None) -> Callable[[BaseHTTPRequestHandler], None]:
    def spoil(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(raw) if length is None else length))
        handler.end_headers()
        handler.wfile.write(raw)
        handler.close_connection = True

    return spoil


def _endless(handler: BaseHTTPRequestHandler) -> None:
    """100 MiB in chunks, as long as somebody listens; counts what was taken."""
    server = handler.server
    assert isinstance(server, StandInApi)
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    piece, server.sent = b" " * 65_536, 0
    for _ in range(1600):
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        server.sent += len(piece)


SPOILT: dict[str, tuple[Callable[[BaseHTTPRequestHandler], None], str]] = {
    "cut short": (_answers(b'{"etag": "1", "rel', 5_000), "cut short: 18 of 5,000 bytes"),
    "100 MiB announced": (_answers(b"", 104_857_600), "104,857,600 bytes; 4,194,304 are the most"),
    "100 MiB streamed": (_endless, "more than 4,194,304 bytes was cut off"),
    "no JSON": (_answers(b"<html>"), "is not JSON"),
    "nested without end": (_answers(b"[" * 200_000), "is not JSON"),
    "no object": (_answers(b"[]"), "no JSON object"),
    "odd lists": (_answers(b'{"etag": "x", "releases": 5, "settings": {"a": 1}}'), "answer.shape"),
    "odd clock": (_answers(b'{"now": NaN, "etag": "x", "releases": [[]], "settings": [1]}'), "entry.shape"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_answers_change_nothing_and_are_named(
    place: Place, stand_in: StandInApi, stack: Stack, name: str
) -> None:
    spoil, words = SPOILT[name]
    place.told(stand_in.endpoint)
    stand_in.offers(stack.release(1, waf("a.test")))
    with running(place) as daemon:
        eventually(lambda: on_disk(place.root) == {"a.test": "MITIGATION"}, because=daemon.status)
        stand_in.spoil = spoil
        stand_in.offers(stack.release(2, waf("b.test")))
        eventually(problem(stand_in, words), because=daemon.status)
        assert stand_in.sent < 16_000_000, "it went on reading"
        stand_in.spoil = None
        stand_in.offers(stack.release(3, waf("c.test")))
        eventually(lambda: on_disk(place.root) == {"c.test": "MITIGATION"}, because=daemon.status)
        eventually(lambda: not daemon.problems.texts(), because=daemon.status)


def test_releases_that_must_not_be_taken_are_named(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    place.told(stand_in.endpoint)
    stand_in.offers(stack.release(5, waf("a.test")))
    with running(place) as daemon:
        eventually(lambda: stand_in.reports and stand_in.reports[-1]["number"] == 5, because=daemon.status)
        for sealed, words in (
            (Stack().release(6, waf("b.test")), "seal.foreign"),
            (stack.release(4, waf("b.test")), "offers release 4, older than 5"),
            (stack.release(6, waf("b.test"), zone="nepal"), "release.foreign"),
            (stack.release(6, waf("b.test"), issued_at=int(time.time()) + 600), "mend the clock"),
        ):
            stand_in.offers(sealed)
            eventually(problem(stand_in, words), because=daemon.status)
        assert on_disk(place.root) == {"a.test": "MITIGATION"}


def test_a_clock_ten_minutes_off_is_named(place: Place, stand_in: StandInApi) -> None:
    stand_in.clock = -600
    place.told(stand_in.endpoint)
    with running(place) as daemon:
        # The token is 600 s ahead of that clock, which the API refuses; the certificate comes from before.
        stand_in.clock = 0
        eventually(daemon.papers.have.is_set if daemon.papers else bool, because=daemon.status)
        stand_in.clock = -600
        stand_in.offers()
        eventually(problem(stand_in, "600 s ahead of c1-control-1"), because=daemon.status)


def test_any_api_machine_will_do_and_the_highest_wins(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    gone = {"name": "c3-control-1", "ipv4": "127.0.0.1", "ipv6": "", "port": 1}
    with standing_in(stack, "c2-control-1") as other:
        place.told(gone, stand_in.endpoint, other.endpoint)
        stand_in.offers(stack.release(1, waf("a.test")))
        other.offers(stack.release(2, waf("b.test")))
        with running(place) as daemon:
            for one in (stand_in, other):
                eventually(lambda one=one: [r["number"] for r in one.reports[-1:]] == [2], because=daemon.status)
            assert on_disk(place.root) == {"b.test": "MITIGATION"}
            assert set(daemon.status()["seen"]) == {"c1-control-1", "c2-control-1"}
            eventually(lambda: "unreachable since" in " ".join(daemon.problems.texts()), because=daemon.status)


def test_a_revoked_machine_serves_on_and_says_why(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    place.told(stand_in.endpoint)
    stand_in.offers(stack.release(1, waf("a.test")))
    with running(place) as daemon:
        eventually(lambda: stand_in.reports and stand_in.reports[-1]["number"] == 1, because=daemon.status)
        stand_in.refuses = dict.fromkeys(("/v1/sync", "/v1/report"), (403, "machine.revoked"))
        stand_in.offers()
        eventually(lambda: any("machine.revoked" in each for each in daemon.problems.texts()), 15)
        assert daemon.status()["serving"]


def test_a_failure_is_reported_to_every_api_machine(place: Place, stand_in: StandInApi, stack: Stack) -> None:
    place.told(stand_in.endpoint)
    place.program.refused = {"bad.test"}
    stand_in.offers(stack.release(1, waf("a.test")))
    with running(place) as daemon:
        eventually(lambda: stand_in.reports and stand_in.reports[-1]["number"] == 1, because=daemon.status)
        stand_in.offers(stack.release(2, waf("bad.test")))
        eventually(lambda: stand_in.reports[-1]["failed"], because=daemon.status)
        assert (stand_in.reports[-1]["number"], stand_in.reports[-1]["failed"]["number"]) == (1, 2)
        assert "line 7: unexpected end" in stand_in.reports[-1]["failed"]["reason"]


def test_without_a_control_plane_it_runs_and_says_so(place: Place) -> None:
    with running(place) as daemon:
        eventually(lambda: daemon.problems.texts() == ["control plane: none was named at first boot"])


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"signer": 1, "root": 2, "endpoints": [{}]}'])
def test_a_first_boot_that_cannot_be_read_is_named(place: Place, content: str) -> None:
    place.told()
    (place.root / FIRST_BOOT.lstrip("/")).write_text(content)
    with running(place) as daemon:
        assert "cannot be read" in daemon.problems.texts()[0]


def test_the_certificate_names_this_machine(place: Place, stand_in: StandInApi) -> None:
    place.told(stand_in.endpoint)
    with running(place) as daemon:
        eventually(daemon.papers.have.is_set if daemon.papers else bool, because=daemon.status)
    assert certificate.name_of((place.root / CERTIFICATE.lstrip("/")).read_text()).machine == ME
