"""The command itself: one run at a time, its exits, its words, what it watches."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fcntl import LOCK_EX, flock
from pathlib import Path

import pytest

from hdinfra.agent import hdraid, raid_progress
from hdinfra.agent.commands import Result
from hdinfra.agent.paths import RAID_LOCK
from hdinfra.agent.raid_arrays import Array, Seen
from hdinfra.agent.raid_deeds import compare, look_alike
from hdinfra.agent.raid_notes import CHECKED, Notes
from hdinfra.agent.raid_progress import Progress, await_copies, await_rest, clock, is_copied
from hdinfra.agent.raid_server import ARRAYS, RaidError
from hdinfra.machine.bundle import raid_sources
from tests.machine.raid_world import World
from tests.machine.test_hdraid_alerts import server
from tests.machine.test_hdraid_look import laid

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """Programs that would have been started: none is, and none does anything."""
    found: list[Sequence[str]] = []

    def run(argv: Sequence[str], seconds: float = 60) -> Result:
        assert seconds
        found.append(argv)
        return Result(1, "not here")

    monkeypatch.setattr(hdraid.commands, "run", run)
    return found


@pytest.fixture
def command(
    tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """`hdraid` on a server that was recorded: exit code, stdout, stderr."""
    server(laid(tmp_path, "whole"), "ALPHA", "BRAVO")
    monkeypatch.setattr(hdraid, "_ROOT", tmp_path)
    monkeypatch.setattr(hdraid.os, "geteuid", lambda: 0)
    monkeypatch.setattr(hdraid.os, "environ", dict(os.environ))
    assert asked == []

    def ran(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = hdraid.main(argv)
        said = capsys.readouterr()
        return code, said.out, said.err

    return ran


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[None]:
    """Another run."""
    path = tmp_path / RAID_LOCK.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        flock(file, LOCK_EX)
        file.write("4711")
        file.flush()
        yield


def test_status_for_people_and_for_programs(command: Run) -> None:
    code, out, err = command("status")
    assert (code, err) == (0, "")
    assert "array    root  [UU]  ALPHA good, BRAVO good" in out
    assert "problem  boot partition of ALPHA: unreadable: `hdraid esp` makes all alike" in out
    code, out, _ = command("status", "--json")
    assert json.loads(out)["arrays"][0]["device"] == "/dev/md127"


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("argv", [("fail", "ALPHA"), ("replace",), ("verify",)])
def test_one_run_at_a_time(command: Run, argv: tuple[str, ...], asked: list[Sequence[str]]) -> None:
    assert command(*argv) == (1, "", "hdraid: another hdraid is at work (process 4711): wait for its end\n")
    assert asked == []


@pytest.mark.usefixtures("at_work")
def test_status_is_told_all_the_same(command: Run) -> None:
    assert command("status")[0] == 0


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("fail", "CHARLIE"), "there is no disk 'CHARLIE' here"),
        (("fail", "vda"), "is no disk of this server"),
        (("fail", "ALPHA"), "no disk but ALPHA (/dev/vdb, 0.3 GB) could start this server"),
        (("replace",), "nothing is to be replaced"),
        (("replace", "ALPHA", "--force"), "holds everything already"),
        (("esp",), "no disk has a whole boot loader to copy from: `hdraid esp --renew` makes one"),
        (("note", "mdadm", "Fail"), "mdadm says EVENT ARRAY [COMPONENT]"),
    ],
)
def test_what_is_refused_is_said(command: Run, argv: tuple[str, ...], words: str) -> None:
    code, out, err = command(*argv)
    assert (code, out, words in err) == (1, "", True), err


def test_at_boot_copies_go_on_that_were_cut_short(
    command: Run, tmp_path: Path, asked: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (command("resume"), asked) == ((0, "", ""), [])
    server(laid(tmp_path / "recover", "recover"), "ALPHA", "CHARLIE")
    (tmp_path / "recover/sys/block/md127/md/array_state").write_text("read-auto\n")
    monkeypatch.setattr(hdraid, "_ROOT", tmp_path / "recover")
    assert command("resume")[0] == 1, "mdadm is not here"
    assert asked == [("mdadm", "--readwrite", "/dev/md127")]


def test_nobody_but_root_may(command: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdraid.os, "geteuid", lambda: 1000)
    assert command("status") == (1, "", "hdraid: only root may\n")


def test_monitors_leave_notes(command: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert command("note", "mdadm", "Fail", "/dev/md127", "/dev/vdb2")[0] == 0
    monkeypatch.setitem(hdraid.os.environ, "SMARTD_DEVICE", "/dev/sda")
    assert command("note", "smartd")[0] == 0
    assert [note.source for note in Notes(tmp_path).problems()] == ["mdadm", "smartd"]
    assert command("note", "clear") == (0, "2 forgotten\n", "")


def test_what_a_killed_run_left_mounted_is_let_go_of(command: Run, tmp_path: Path, asked: list[Sequence[str]]) -> None:
    info = tmp_path / "proc/self/mountinfo"
    info.write_text(info.read_text() + "40 29 254:17 / /run/hdinfra/esp/vdb1 rw - vfat /dev/vdb1 rw\n")
    command("replace")
    assert asked == [("umount", "/run/hdinfra/esp/vdb1")]


def test_it_runs_from_its_own_files_alone(tmp_path: Path) -> None:
    for path, text in raid_sources().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from hdinfra.agent.hdraid import main; main(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, "hdraid replace S4EVNX0R --force" in done.stdout) == (0, True), done.stderr


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def looks(world: World, states: int) -> Callable[[], Seen]:
    """The kernel copies one array after the other, each time somebody looks."""
    left = iter(range(states))

    def look() -> Seen:
        if next(left, None) is not None:
            return world.look()
        world.finish()
        return world.look()

    return look


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """B is being written; waiting takes no time."""
    monkeypatch.setattr(raid_progress.time, "sleep", lambda _: None)
    world = World(tmp_path)
    for array in world.arrays.values():
        array.members["B"], array.action = "spare", "recover"
    return world


def test_copying_is_watched_by_plain_lines(written: World) -> None:
    said = io.StringIO()
    await_copies(looks(written, 3), "B", Progress(said))
    assert said.getvalue() == "boot [U_] recover 50.0 %, 0.0 MiB/s\n"
    assert all(len(written.good(name)) == 2 for name in ARRAYS)


def test_copying_is_watched_on_one_line_of_a_terminal(written: World) -> None:
    said = Terminal()
    await_copies(looks(written, 2), "B", Progress(said))
    assert said.getvalue() == 2 * "\r\033[Kboot [U_] recover 50.0 %, 0.0 MiB/s" + "\r\033[K"


def test_a_disk_that_falls_out_meanwhile_is_said(written: World) -> None:
    seen = written.look()
    with pytest.raises(RaidError, match="B has gone while it was written"):
        is_copied(replace(seen, disks=seen.disks[:1]), "B")
    written.arrays["root"].members["B"] = "faulty"
    with pytest.raises(RaidError, match="B has failed while it was written"):
        is_copied(written.look(), "B")


def test_copying_that_stands_still_is_said(written: World) -> None:
    for array in written.arrays.values():
        array.action = "idle"
    with pytest.raises(RaidError, match="nothing is copied to B any more"):
        await_copies(written.look, "B", Progress(io.StringIO()))


def test_an_array_comes_to_rest(written: World) -> None:
    with pytest.raises(RaidError, match="array swop has stopped"):
        await_rest(written.look, "swop", Progress(io.StringIO()))
    assert await_rest(looks(written, 1), "root", Progress(io.StringIO())).action == "idle"


class Verified:
    """`hdraid verify` on such a server; `meanwhile` is done while an array is compared, `held` says what is held."""

    def __init__(self, world: World) -> None:
        self.world, self.notes = world, Notes(world.root)
        self.held, self.begun = False, [""]
        self.meanwhile: Callable[[str], None] = lambda _: None
        for index in range(len(ARRAYS)):
            (world.root / f"sys/block/md{index}/md").mkdir(parents=True)

    def run(self) -> list[str]:
        """What is wrong."""
        return compare(self.world.place(), self.notes, self._begin, self._rest)

    @contextmanager
    def _begin(self) -> Iterator[None]:
        assert not self.held
        self.held = True
        yield
        self.held = False

    def _rest(self, name: str) -> Array:
        assert not self.held, "a disk that is pulled now is nobody's, and packages wait for their boot partitions"
        index = ARRAYS.index(name)
        assert (self.world.root / f"sys/block/md{index}/md/sync_action").read_text() == "check\n"
        self.begun.append(name)
        self.meanwhile(name)
        return next(array for array in self.world.look().arrays if array.name == name)


def test_nothing_is_held_while_arrays_are_compared(tmp_path: Path) -> None:
    verified = Verified(World(tmp_path))
    assert (verified.run(), verified.begun[1:]) == ([], list(ARRAYS))
    assert [note.event for note in verified.notes.all()] == [CHECKED] * len(ARRAYS)


def test_a_disk_pulled_while_arrays_are_compared_is_said(tmp_path: Path) -> None:
    verified = Verified(World(tmp_path))
    verified.meanwhile = lambda _: verified.world.pull("B") if verified.world.disks["B"].present else None
    first, *others = ARRAYS
    assert verified.run() == [
        f"array {first} [U_]: a disk went while it was compared",
        *(f"array {name} [U_]: it cannot be compared" for name in others),
    ]
    assert verified.notes.all() == ()


def test_what_another_run_began_meanwhile_is_not_disturbed(tmp_path: Path) -> None:
    verified = Verified(World(tmp_path))

    def another(_: str) -> None:
        verified.world.arrays["root"].action = "check"

    verified.meanwhile = another
    assert [words.partition(":")[0] for words in verified.run()] == [
        f"array {name} was not compared" for name in ARRAYS[1:]
    ]
    with pytest.raises(RaidError, match="array root is being checked"):
        look_alike(verified.world.place())


@pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (61.7, "1:01"), (36_000, "10:00:00")])
def test_time_left(seconds: float, words: str) -> None:
    assert clock(seconds) == words
