"""Code of ours is taken when a release pins it, it is the pinned one, the stack signed it, and it starts."""

import hashlib
import http.server
import io
import sys
import tarfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from hdinfra.agent import renewal
from hdinfra.agent.commands import Result, run
from hdinfra.agent.first_boot import read_first_boot
from hdinfra.agent.keeper import Keeper
from hdinfra.agent.paths import CODE, CODE_LEFT, CODE_PREVIOUS
from hdinfra.agent.renewal import CodeError, Renewal
from hdinfra.agent.versions import opened
from hdinfra.protocol.bundle import sign_bundle
from tests.machine.sync_api import served
from tests.machine.sync_machine import Place, running
from tests.machine.sync_stack import API, Stack, eventually, offer, waf

WORKS = {"hdinfra/__init__.py": b"", "hdinfra/agent/hdsync.py": b"", "hdinfra/agent/hdctl.py": b""}
BROKEN = {**WORKS, "hdinfra/agent/hdsync.py": b"import nothing_of_that_name"}


def archive(files: dict[str, bytes], **odd: bytes) -> bytes:
    """A bundle; `odd` members have this type and point out of the folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as writer:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            writer.addfile(member, io.BytesIO(content))
        for name, kind in odd.items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc/passwd"
            writer.addfile(member)
    return buffer.getvalue()


class Store:
    """A bucket of files by name."""

    def __init__(self, port: int, files: dict[str, bytes]) -> None:
        self.port = port
        self.files = files

    def pin(self, content: bytes, stack: Stack, role: str = "waf") -> dict[str, str]:
        """Put it there, and pin it."""
        sha256 = hashlib.sha256(content).hexdigest()
        self.files[f"/{sha256}.tar"] = content
        url = f"http://127.0.0.1:{self.port}/{sha256}.tar"
        return {"url": url, "sha256": sha256, "signature": sign_bundle(role, sha256, stack.key)}


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty one."""
    files: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path in files else 404)
            self.end_headers()
            self.wfile.write(files.get(self.path, b""))

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as port:
        yield Store(port, files)


@pytest.fixture
def link(place: Place) -> Path:
    """Where the running code is linked."""
    link = place.root / CODE.lstrip("/")
    link.parent.mkdir(parents=True)
    (link.parent / "code-0123456789abcdef").mkdir()
    link.symlink_to("code-0123456789abcdef")
    return link


def python(argv: Sequence[str]) -> Result:
    """This Python in place of the machine's."""
    return run((sys.executable, *argv[1:]) if argv[0] == "/usr/bin/python3" else argv)


def taken(place: Place, pin: dict[str, str], number: int = 2) -> tuple[Renewal, bool]:
    """Whether the machine takes that code with that release."""
    place.told()
    boot = read_first_boot(place.root)
    assert boot is not None
    renewal = Renewal(boot, place.root, python, place.problems)
    return renewal, renewal.taken(version(place.keeper(), place, pin, number).offered)


def version(keeper: Keeper, place: Place, pin: dict[str, str], number: int) -> Keeper:
    """A keeper that knows of a release with that code."""
    sealed = place.stack.release(number, waf("a.test"), code={"waf": pin})
    keeper.offer(API, opened(offer([sealed]), place.stack.trust, time.time()))
    return keeper


def test_takes_the_pinned_code_once(place: Place, store: Store, link: Path) -> None:
    pin = store.pin(archive(WORKS), place.stack)
    renewal, done = taken(place, pin)
    assert (done, link.readlink().name) == (True, f"code-{pin['sha256'][:16]}")
    assert (link / "hdinfra/agent/hdsync.py").exists()
    sealed = version(place.keeper(), place, pin, 2).offered
    assert (renewal.code(sealed), renewal.taken(sealed)) == (pin["sha256"], False)


def test_an_older_release_does_not_bring_its_code_back(place: Place, store: Store, link: Path) -> None:
    assert taken(place, store.pin(archive(WORKS), place.stack), number=3)[1]
    newer = link.readlink()
    assert not taken(place, store.pin(archive({**WORKS, "old": b""}), place.stack), number=2)[1]
    assert link.readlink() == newer


def refusals(store: Store, stack: Stack) -> dict[str, dict[str, str]]:
    """Pins that must not be followed, by what is said of them."""
    good = store.pin(archive(WORKS), stack)
    return {
        "bundle.sha256": {**store.pin(archive(BROKEN), stack), "url": good["url"]},
        "seal.foreign": store.pin(archive(WORKS), Stack()),
        "bundle.foreign": store.pin(archive(WORKS), stack, role="load-balancer"),
        "is not a file inside the bundle": store.pin(archive(WORKS, link=tarfile.SYMTYPE), stack),
        "'/etc/x' is not a file": store.pin(archive({"/etc/x": b""}), stack),
        "'a/../../x' is not a file": store.pin(archive({"a/../../x": b""}), stack),
        "not an archive": store.pin(b"x" * 1024, stack),
        "files; 500 are the most": store.pin(archive({f"f{n}": b"" for n in range(501)}), stack),
        "does not even start": store.pin(archive(BROKEN), stack),
        "more than 4,194,304 bytes": store.pin(b"\0" * (4_194_304 + 1), stack),
        "not an address of the web": {**good, "url": "file:///etc/passwd"},
        "gives nothing": {**good, "url": f"http://127.0.0.1:{store.port}/none"},
    }


@pytest.mark.parametrize("words", refusals(Store(0, {}), Stack()))
def test_other_code_is_refused_and_named(place: Place, store: Store, link: Path, words: str) -> None:
    running_before = link.readlink()
    assert not taken(place, refusals(store, place.stack)[words])[1]
    assert (link.readlink(), words in place.problems.texts()[0]) == (running_before, True), place.problems.texts()


def test_a_machine_whose_code_came_otherwise_keeps_it(place: Place, store: Store) -> None:
    assert not taken(place, store.pin(archive(WORKS), place.stack))[1]


def test_a_full_disk_may_pass(place: Place, store: Store, link: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(renewal, "write_whole", full)
    pin = store.pin(archive(WORKS), place.stack)
    with pytest.raises(CodeError, match="No space left") as caught:
        renewal.take(pin, "waf", place.stack.trust.signer, place.root, python)
    assert (caught.value.passing, link.readlink().name) == (True, "code-0123456789abcdef")


def test_the_daemon_ends_for_its_new_code_before_it_takes_the_policy(
    place: Place, store: Store, link: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = store.pin(archive(WORKS), place.stack)
    place.told()
    real = place.program.run
    monkeypatch.setattr(place.program, "run", lambda argv: python(argv) if "python3" in argv[0] else real(argv))
    sealed = place.stack.release(2, waf("a.test"), code={"waf": pin})
    with running(place) as daemon:
        daemon._deliver(API, opened(offer([sealed]), place.stack.trust, time.time()))
        eventually(daemon.stopping.is_set, because=daemon.status)
        assert daemon.applier.current() is None
    assert link.readlink().name == f"code-{pin['sha256'][:16]}"


def previous(place: Place) -> Path:
    """The link to what ran before."""
    return place.root / CODE_PREVIOUS.lstrip("/")


def leave(place: Place, link: Path) -> str:
    """What systemd has done when the code that runs crashes again and again; what was left."""
    left = link.readlink().name
    (place.root / CODE_LEFT.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (place.root / CODE_LEFT.lstrip("/")).write_text(f"{left}\n")
    previous(place).replace(link)
    return left.removeprefix("code-")


def test_what_ran_before_stays_and_what_ran_before_that_goes(place: Place, store: Store, link: Path) -> None:
    pins = [store.pin(archive({**WORKS, "n": text}), place.stack) for text in (b"1", b"2")]
    folders = ["code-0123456789abcdef", *(f"code-{pin['sha256'][:16]}" for pin in pins)]
    for number, pin in enumerate(pins, start=2):
        renewal, done = taken(place, pin, number)
        assert (done, previous(place).readlink().name) == (True, folders[number - 2])
        renewal.sweep()
    assert {path.name for path in link.parent.iterdir()} == {"code", "code-previous", *folders[1:]}
    assert (previous(place) / "hdinfra/agent/hdsync.py").exists()


def test_sweeping_takes_nothing_else(place: Place, link: Path) -> None:
    place.told()
    boot = read_first_boot(place.root)
    assert boot is not None
    for name in ("code-mine", "code-0123456789abcdef0", "fetch", "code-ffffffffffffffff"):
        (link.parent / name).mkdir()
    Renewal(boot, place.root, python, place.problems).sweep()
    assert {path.name for path in link.parent.iterdir()} == {
        *("code", "code-0123456789abcdef", "code-mine", "code-0123456789abcdef0", "fetch")
    }
    link.unlink()  # code that came otherwise
    Renewal(boot, place.root, python, place.problems).sweep()
    assert (link.parent / "code-0123456789abcdef").exists()


def test_code_that_was_left_is_named_and_not_taken_again(place: Place, store: Store, link: Path) -> None:
    pin = store.pin(archive(WORKS), place.stack)
    assert taken(place, pin, 2)[1]
    left = leave(place, link)
    for number in (2, 3):
        assert not taken(place, pin, number)[1]
        (problem,) = place.problems.texts()
        assert problem.startswith(f"code: {left} crashed again and again")
    assert link.readlink().name == "code-0123456789abcdef"


def test_code_that_was_left_may_come_again_after_other_code(place: Place, store: Store, link: Path) -> None:
    pin, other = (store.pin(archive({**WORKS, "n": text}), place.stack) for text in (b"1", b"2"))
    assert taken(place, pin, 2)[1]
    leave(place, link)
    assert taken(place, other, 3)[1]
    assert place.problems.texts() == []
    assert taken(place, pin, 4)[1]


def test_a_release_that_names_what_runs_ends_it(place: Place, store: Store, link: Path) -> None:
    runs, pin = (store.pin(archive({**WORKS, "n": text}), place.stack) for text in (b"1", b"2"))
    assert taken(place, runs, 2)[1]
    assert taken(place, pin, 3)[1]
    leave(place, link)
    assert (taken(place, runs, 4)[1], place.problems.texts()) == (False, [])
    assert not (place.root / CODE_LEFT.lstrip("/")).exists()


@pytest.mark.parametrize("note", [b"", b"x", b"code-", b"code-../../etc/pass", b"\xff"])
def test_a_note_that_names_no_bundle_accuses_none(place: Place, store: Store, link: Path, note: bytes) -> None:
    (place.root / CODE_LEFT.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
    (place.root / CODE_LEFT.lstrip("/")).write_bytes(note)
    assert taken(place, store.pin(archive(WORKS), place.stack))[1]
    assert (link.exists(), place.problems.texts()) == (True, [])
