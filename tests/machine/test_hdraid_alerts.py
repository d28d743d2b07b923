"""What is wrong with the disks reaches whoever looks: the daemon's report, `hdctl status`, `hdraid status`."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hdinfra.agent import hdctl
from hdinfra.agent.commands import Result
from hdinfra.agent.hdsync import Daemon
from hdinfra.agent.problems import Problems
from hdinfra.agent.raid_alerts import alerts, is_over
from hdinfra.agent.raid_arrays import Seen
from hdinfra.agent.raid_boot import Boot, Holds
from hdinfra.agent.raid_esps import Esps, differing, esps_seen
from hdinfra.agent.raid_notes import CHECKED, Note, Notes, of_mdadm, of_smartd
from hdinfra.agent.raid_report import health, lines, report
from hdinfra.agent.raid_rules import Intent
from hdinfra.agent.raid_server import RaidError, exchange, read_server
from hdinfra.agent.raid_watch import RaidWatch
from tests.machine.raid_world import World
from tests.machine.test_hdraid_look import laid

SERVER = "etc/hdinfra/server.json"
ALIKE = {"A": Boot(Holds.GOOD, "1"), "B": Boot(Holds.GOOD, "1")}


def server(root: Path, *serials: str) -> None:
    """This server has these disks."""
    (root / SERVER).parent.mkdir(parents=True, exist_ok=True)
    (root / SERVER).write_text(json.dumps({"name": "srv1", "disks": [{"serial": one, "mib": 1} for one in serials]}))


def watched(root: Path) -> tuple[RaidWatch, Problems]:
    problems = Problems()
    return RaidWatch(root, problems, 0), problems


def test_the_daemon_says_what_is_wrong_until_it_is_over(tmp_path: Path) -> None:
    server(laid(tmp_path, "gone"), "ALPHA", "BRAVO")
    watch, problems = watched(tmp_path)
    watch.step()
    assert problems.texts()[0] == (
        "array boot: [U_], BRAVO is missing: put a blank disk into its slot, then `hdraid replace`"
    )
    server(tmp_path, "ALPHA")
    for name in ("boot", "swap", "root"):
        device = {"boot": "md127", "swap": "md126", "root": "md125"}[name]
        (tmp_path / f"sys/devices/virtual/block/{device}/md/raid_disks").write_text("1\n")
    watch.step()
    assert problems.texts() == []


def test_it_does_not_look_all_the_time(tmp_path: Path) -> None:
    server(laid(tmp_path, "gone"), "ALPHA", "BRAVO")
    problems = Problems()
    watch = RaidWatch(tmp_path, problems, 60)
    watch.step()
    (tmp_path / SERVER).unlink()
    watch.step()
    assert len(problems.texts()) == 3


def test_a_restart_that_is_due_is_said_of_servers_alone(tmp_path: Path) -> None:
    server(laid(tmp_path, "whole"), "ALPHA", "BRAVO")
    watch, problems = watched(tmp_path)
    watch.step()
    before = problems.texts()
    due = tmp_path / "run/reboot-required"
    due.parent.mkdir(parents=True, exist_ok=True)
    due.touch()
    os.utime(due, (1_764_460_800, 1_764_460_800))
    watch.step()
    (said,) = set(problems.texts()) - set(before)
    assert said == "restart: due since 2025-11-30, for a newer kernel: `systemctl reboot`, one server at a time"
    due.unlink()
    watch.step()
    assert problems.texts() == before
    due.touch()
    (tmp_path / SERVER).unlink()
    watch.step()
    assert problems.texts() == []


def test_where_no_server_file_is_nothing_is_looked_at(tmp_path: Path) -> None:
    watch, problems = watched(laid(tmp_path, "gone"))
    watch.step()
    assert problems.texts() == []


def test_a_server_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    server(laid(tmp_path, "whole"), "ALPHA", "BRAVO")
    (tmp_path / SERVER).write_text("{")
    watch, problems = watched(tmp_path)
    watch.step()
    assert "server.json cannot be read, so nothing is touched" in problems.texts()[0]


def test_a_report_carries_it(tmp_path: Path) -> None:
    server(laid(tmp_path, "gone"), "ALPHA", "BRAVO")
    daemon = Daemon(tmp_path, lambda _: Result(0, ""))
    daemon._tidy()
    assert any("array root: [U_], BRAVO is missing" in text for text in daemon.report()["problems"])


def test_hdctl_asks_hdraid_where_no_daemon_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdctl, "SERVER", str(tmp_path / "server.json"))
    assert hdctl._of_disks() == []
    (tmp_path / "server.json").touch()
    monkeypatch.setattr(hdctl, "run", lambda _: Result(0, 'warned\n{"problems": ["array root: [U_]"]}'))
    assert hdctl._of_disks() == ["array root: [U_]"]
    monkeypatch.setattr(hdctl, "run", lambda _: Result(1, "hdraid: only root may"))
    assert hdctl._of_disks() == ["disks: hdraid: only root may"]


@pytest.fixture
def whole(tmp_path: Path) -> Seen:
    return World(tmp_path / "world").look()


def test_nothing_is_wrong_where_all_is_well(whole: Seen) -> None:
    assert alerts(whole, ALIKE) == {}


def test_boot_partitions(whole: Seen) -> None:
    torn = {**ALIKE, "B": Boot(Holds.TORN)}
    assert alerts(whole, torn) == {
        "boot partition of B": "cut off while it was written: `hdraid esp` makes all alike",
    }
    assert set(alerts(whole, {**ALIKE, "B": Boot(Holds.GOOD, "2")})) == {"boot partition of A", "boot partition of B"}
    assert alerts(whole, {"A": ALIKE["A"]}) == {
        "boot partition of B": "was never written: `hdraid esp` makes all alike",
    }


def test_a_disk_that_failed_but_is_in(whole: Seen) -> None:
    arrays = tuple(replace(array, members=array.members[:1]) for array in whole.arrays)
    words = "[U_], B is not in it: pull it, put a blank disk in, then `hdraid replace`"
    assert alerts(replace(whole, arrays=arrays), ALIKE)["array root"] == words


def test_spares_and_two_paths(whole: Seen) -> None:
    spare = replace(whole.server, spares=("C",))
    assert alerts(replace(whole, server=spare), ALIKE) == {
        "disk C": "is missing: put a blank one into its slot, then `hdraid replace`",
    }
    idle = replace(whole.disks[0], name="vdx", serials=("C",), partitions=())
    found = alerts(replace(whole, server=spare, disks=(*whole.disks, idle)), {**ALIKE, "C": ALIKE["A"]})
    assert found == {"disk C": "has no place in an array: `hdraid replace C`"}
    twice = replace(whole, disks=(*whole.disks, replace(whole.disks[0], name="vdx")))
    assert "two paths to one disk" in alerts(twice, ALIKE)["disk A"]


def test_halves_that_differ_but_for_swap(whole: Seen) -> None:
    differ = replace(whole, arrays=tuple(replace(array, mismatches=128) for array in whole.arrays))
    assert set(alerts(differ, ALIKE)) == {"array boot", "array root"}
    assert "differ in 128 sectors, says the last check: `hdraid verify`" in alerts(differ, ALIKE)["array root"]


def test_an_array_that_does_not_run_and_a_disk_half_taken_in(whole: Seen) -> None:
    found = alerts(replace(whole, arrays=whole.arrays[:2]), ALIKE, (), Intent("B", "X", forced=False))
    assert "does not run" in found["array root"]
    assert found["disk B"] == "is half taken in: `hdraid replace` goes on with it"


def test_notes_stay_until_they_are_cleared(tmp_path: Path, whole: Seen) -> None:
    notes = Notes(tmp_path)
    notes.add(of_mdadm("Fail", "/dev/md127", "/dev/sda4"))
    notes.add(of_mdadm("Fail", "/dev/md127", "/dev/sda4"))
    notes.add(of_mdadm("RebuildFinished", "/dev/md127", " mismatches found: 0"))
    notes.add(of_mdadm("Rebuild20", "/dev/md127"))
    told = {"SMARTD_DEVICE": "/dev/sda", "SMARTD_FAILTYPE": "Health", "SMARTD_MESSAGE": "Device: /dev/sda,\n FAILED"}
    notes.add(of_smartd(told))
    told = {**told, "SMARTD_DEVICEINFO": "SAMSUNG MZ7, S/N:S4EV, FW:1, 480 GB", "SMARTD_FAILTYPE": "Usage"}
    notes.add(of_smartd({**told, "SMARTD_MESSAGE": ""}))
    assert alerts(whole, ALIKE, notes.all()) == {
        "smartd Usage S4EV": "something is wrong, see the journal of smartd; seen to? `hdraid note clear`",
        "mdadm Fail /dev/md127": "/dev/md127 /dev/sda4 (2 times); seen to? `hdraid note clear`",
        "smartd Health /dev/sda": "Device: /dev/sda, FAILED; seen to? `hdraid note clear`",
    }
    assert notes.clear() == 3
    assert [note.event for note in notes.all()] == [CHECKED]
    assert alerts(whole, ALIKE, notes.all()) == {}


def smartd_said(about: str) -> Note:
    return Note("smartd", "CurrentPendingSector", about, "8 pending sectors", 1)


def test_a_disk_taken_in_ends_what_was_said_of_the_old_one_and_nothing_else(tmp_path: Path, whole: Seen) -> None:
    """B stands where C stood. While it was written, smartd has said of A what it says once."""
    new, notes = whole.disks[1], Notes(tmp_path)
    of_a = [smartd_said("A"), smartd_said(whole.disks[0].device)]
    over = [smartd_said("C"), smartd_said(new.device), of_mdadm("Fail", "/dev/md127", "/dev/sdb2")]
    stay = [*of_a, smartd_said("B"), of_mdadm("DeviceDisappeared", "/dev/md9"), of_mdadm(CHECKED, "/dev/md127")]
    for note in (*over, *stay):
        notes.add(note)
    notes.forget(lambda note: is_over(note, whole, new))
    assert notes.all() == tuple(stay)
    degraded = replace(whole, arrays=(replace(whole.arrays[0], members=whole.arrays[0].members[:1]),))
    assert not is_over(over[2], degraded, new)
    spare = replace(whole.disks[0], name="vdx", serials=("C_12",))
    blanks = replace(whole, disks=(*whole.disks, spare), server=replace(whole.server, spares=("C_12",)))
    assert not is_over(smartd_said("C"), blanks, new), "`C 12`, of which smartd says the beginning"


def test_a_disk_that_says_it_is_failing_is_a_problem(whole: Seen) -> None:
    told = report(whole, ALIKE, (), None, {"A": "failing", "B": "passed"})
    assert told["problems"] == [
        "SMART of A: it says that it is failing: `hdraid fail A`, put a blank one in, then `hdraid replace`"
    ]
    assert "well " not in "\n".join(lines(told))
    stranger = replace(whole.disks[0], name="vdx", serials=("X",), partitions=())
    assert report(replace(whole, disks=(*whole.disks, stranger)), ALIKE, (), None, {"X": "failing"})["problems"] == []


def test_notes_that_cannot_be_read_say_so_and_are_begun_anew(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    notes.add(Note("mdadm", "Fail", "a", "b", 1))
    path = tmp_path / "var/lib/hdinfra/hardware/notes.json"
    path.write_text("[{}]")
    assert [note.event for note in notes.problems()] == ["Unreadable"]
    notes.clear()
    assert notes.all() == ()


def test_only_the_last_notes_are_kept(tmp_path: Path) -> None:
    notes = Notes(tmp_path)
    for number in range(60):
        notes.add(Note("mdadm", "Fail", str(number), "x" * 1000, number))
    assert [note.at for note in notes.all()] == list(range(10, 60))
    assert {len(note.text) for note in notes.all()} == {300}


def test_an_exchange_leaves_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / SERVER
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"name": "s", "disks": [{"serial": "A", "mib": 1}], "spare_disks": [], "swap_mib": 5}))
    path.chmod(0o640)
    for _ in range(2):
        exchange(tmp_path, "A", "B", 7)
    assert json.loads(path.read_text()) == {
        "name": "s",
        "disks": [{"serial": "B", "mib": 7}],
        "spare_disks": [],
        "swap_mib": 5,
    }
    assert path.stat().st_mode & 0o777 == 0o640
    assert read_server(tmp_path).serials == ("B",)


@pytest.mark.parametrize("text", [None, "", "[]", '{"name": "s"}', '{"name": "s", "disks": ["A"]}'])
def test_without_a_server_file_nothing_is_done(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        server(tmp_path)
        (tmp_path / SERVER).write_text(text)
    with pytest.raises(RaidError, match=r"server.json (is missing|cannot be read)"):
        read_server(tmp_path)


def test_a_report_for_people_and_for_programs(tmp_path: Path) -> None:
    world = World(tmp_path)
    seen = world.look()
    Esps(world, tmp_path, lambda _: None).look(seen)
    told = report(
        seen, esps_seen(tmp_path), (Note("hdraid", CHECKED, "a", "0 sectors differ", 0),), None, {"A": "passed"}
    )
    assert json.loads(json.dumps(told)) == told
    assert list(lines(told)) == [
        "server   srv1",
        "array    boot  [UU]  A good, B good",
        "array    swap  [UU]  A good, B good",
        "array    root  [UU]  A good, B good",
        "disk     A  /dev/vab  0.3 GB, good, boot partition good, SMART passed",
        "disk     B  /dev/vcd  0.3 GB, good, boot partition good, SMART unknown",
        "checked  1970-01-01 00:00 UTC: 0 sectors differ",
        "well     every array is whole and every disk can start this server",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ('{"smart_status": {"passed": true}}', "passed"),
        ('{"smart_status": {"passed": false}}', "failing"),
        ('{"smartctl": {"exit_status": 2}}', "unknown"),
        ("No such file or directory: 'smartctl'", "unknown"),
    ],
)
def test_health_is_smartctls_word(whole: Seen, words: str, told: str) -> None:
    assert health(lambda _: Result(0, words), whole) == {"A": told, "B": told}


def test_what_nobody_has_looked_at_is_not_known(tmp_path: Path) -> None:
    assert esps_seen(tmp_path) is None
    assert differing(ALIKE) == {}
