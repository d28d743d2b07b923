"""Taking disks in and out of a server that is made of nothing: whatever comes in which order, and wherever power is
cut, nobody touches the only copy of anything, and a blank disk makes the server whole again."""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hdinfra.agent import raid_boot
from hdinfra.agent.raid_alerts import alerts
from hdinfra.agent.raid_deeds import fail
from hdinfra.agent.raid_esps import esps_seen
from hdinfra.agent.raid_replace import read_intent, replace, resume
from hdinfra.agent.raid_rules import being_written
from hdinfra.agent.raid_server import ARRAYS, RaidError, read_server
from tests.machine.raid_world import LOADER_BYTES, SIZE, PowerCut, World

_DEEDS = 60
"""More than taking a disk in has, files of its boot partition among them."""


@contextmanager
def flickering(world: World) -> Iterator[None]:
    """Power may fail within a boot partition's files too."""
    real = raid_boot._sync

    def sync(path: Path) -> None:
        world.dim()
        real(path)

    raid_boot._sync = sync
    try:
        yield
    finally:
        raid_boot._sync = real


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    with flickering(made):
        yield made


def whole(world: World) -> bool:
    """Nothing is left to be done."""
    found = alerts(world.look(), esps_seen(world.root), (), read_intent(world.root))
    return not found and all(len(world.good(name)) == 2 for name in ARRAYS)


def grown(world: World) -> None:
    """The kernel has had its time."""
    for _ in ARRAYS:
        world.finish()


def test_a_blank_disk_takes_the_place_of_the_lost_one(world: World) -> None:
    world.pull("B")
    world.plug("C")
    assert replace(world.place(), None, force=False) == "C"
    assert read_server(world.root).serials == ("A", "C")
    assert world.bootable() == {"A", "C"}
    assert not whole(world)
    grown(world)
    assert whole(world)


def test_a_new_boot_loader_leaves_the_word_of_the_order_that_made_the_server(world: World) -> None:
    """Without it the installer, started by mistake, would take the server for one that is to be made."""

    def install(folder: Path) -> None:
        (folder / raid_boot.LOADER).parent.mkdir(parents=True)
        (folder / raid_boot.LOADER).write_bytes(LOADER_BYTES + b"newer")

    for serial in ("A", "B"):
        (world.esp_of(serial) / raid_boot.ORDER).parent.mkdir(parents=True)
        (world.esp_of(serial) / raid_boot.ORDER).write_text("order\n")
    world.place().esps.renew(world.look(), install)
    for serial in ("A", "B"):
        assert (world.esp_of(serial) / raid_boot.LOADER).read_bytes().endswith(b"newer")
        assert (world.esp_of(serial) / raid_boot.ORDER).read_text() == "order\n"


def test_where_the_mounted_boot_partition_went_the_others_is_mounted(world: World) -> None:
    world.pull("A")
    world.plug("C")
    replace(world.place(), None, force=False)
    assert world.mounted == "B"


def test_the_same_disk_put_in_again_is_written_anew(world: World) -> None:
    world.pull("B")
    world.write()
    world.plug("B")
    assert replace(world.place(), None, force=False) == "B"
    grown(world)
    assert whole(world)
    assert read_server(world.root).serials == ("A", "B")


@pytest.mark.parametrize("cut", range(_DEEDS))
def test_a_run_that_was_cut_off_is_finished_by_the_next(world: World, cut: int) -> None:
    world.pull("A")
    world.write()
    world.plug("C")
    world.until_cut = cut
    try:
        replace(world.place(), None, force=False)
    except PowerCut:
        world.reboot()
    assert "B" in world.bootable()
    world.until_cut = None
    if not (read_server(world.root).serials == ("C", "B") and read_intent(world.root) is None):
        replace(world.place(), None, force=False)
    grown(world)
    assert whole(world)
    assert world.bootable() == {"B", "C"}


@pytest.mark.parametrize("restarts", [1, 2])
def test_a_restart_while_a_disk_is_written_leaves_nothing_undone(world: World, restarts: int) -> None:
    """Nobody writes to swap, so that its array stays as it was assembled, and the kernel copies nothing."""
    world.pull("B")
    world.plug("C")
    replace(world.place(), None, force=False)
    for _ in range(restarts):
        world.reboot()
    world.write("root")
    grown(world)
    words = "[U_], C is half written since a restart: `hdraid replace` goes on with it"
    assert alerts(world.look(), None) == {"array boot": words, "array swap": words}
    assert being_written(world.look()) == "C"
    resume(world.place())
    grown(world)
    assert whole(world)


def test_a_spare_disk_is_taken_in_and_steps_in_by_itself(world: World) -> None:
    path = world.root / "etc/hdinfra/server.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "spare_disks": [{"serial": "S", "mib": 256}]}))
    world.plug("S")
    assert set(alerts(world.look(), None)) == {"disk S"}
    assert replace(world.place(), None, force=False) == "S"
    assert whole(world)
    assert world.bootable() == {"A", "B", "S"}
    world.pull("A")
    world.write()
    grown(world)
    assert alerts(world.look(), None) == {"disk A": "is missing: put a blank one into its slot, then `hdraid replace`"}
    world.plug("C")
    replace(world.place(), None, force=False)
    assert (read_server(world.root).disks, read_server(world.root).spares) == (("C", "B"), ("S",))
    assert whole(world)


def test_foreign_data_stays_without_force(world: World) -> None:
    world.pull("B")
    world.plug("F", foreign="LVM2_member")
    with pytest.raises(RaidError, match=r"F .* is not blank \(LVM2_member on .*hdraid replace F --force"):
        replace(world.place(), None, force=False)
    assert world.disks["F"].foreign
    world.forced = True
    replace(world.place(), None, force=True)
    grown(world)
    assert whole(world)


def test_a_newer_copy_stays_without_force(world: World) -> None:
    world.pull("B")
    world.write()
    world.plug("B")
    world.disks["B"].copies["root"] = 99
    with pytest.raises(RaidError, match=r"B .* is not blank"):
        replace(world.place(), None, force=False)


def test_a_failed_disk_is_in_no_array_and_the_other_starts_the_server(world: World) -> None:
    assert fail(world.place(), "A") == "A"
    assert [world.good(name) for name in ARRAYS] == [["B"]] * 3
    assert world.mounted == "B"


def test_no_disk_is_failed_without_which_nothing_starts(world: World) -> None:
    shutil.rmtree(world.esp_of("B"))
    with pytest.raises(RaidError, match=r"no disk but A .* could start this server: `hdraid esp` first"):
        fail(world.place(), "A")
    assert [world.good(name) for name in ARRAYS] == [["A", "B"]] * 3


class Server(RuleBasedStateMachine):
    """Anything may happen to it, but that its last good disk is pulled."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="hdraid-"))
        self.world = World(self.folder)
        self.context = flickering(self.world)
        self.context.__enter__()
        self.number = 0

    def teardown(self) -> None:
        self.context.__exit__(None, None, None)
        shutil.rmtree(self.folder)

    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        spared = [one for one in self.inside() if self.can_lose(one)]
        if spared:
            self.world.pull(data.draw(st.sampled_from(spared)))

    @precondition(lambda self: len(self.inside()) < 4)
    @rule(kind=st.sampled_from(["blank", "foreign", "small"]))
    def push(self, kind: str) -> None:
        self.number += 1
        size = SIZE // 2 if kind == "small" else SIZE
        self.world.plug(f"N{self.number}", size, "ext4" if kind == "foreign" else "")

    @precondition(lambda self: len(self.inside()) < 4)
    @rule(data=st.data())
    def push_back(self, data: st.DataObject) -> None:
        out = sorted(self.world.disks.keys() - self.inside())
        if out:
            self.world.plug(data.draw(st.sampled_from(out)))

    @rule(names=st.sets(st.sampled_from(ARRAYS), min_size=1))
    def write(self, names: set[str]) -> None:
        self.world.write(*names)

    @rule()
    def copy(self) -> None:
        self.world.finish()

    @rule()
    def reboot(self) -> None:
        self.world.reboot()

    @rule(data=st.data(), cut=st.none() | st.integers(0, 15))
    def fail(self, data: st.DataObject, cut: int | None) -> None:
        name = data.draw(st.sampled_from(sorted(self.inside())))
        self.do(lambda: fail(self.world.place(), name), cut)

    @rule(data=st.data(), force=st.booleans(), cut=st.none() | st.integers(0, _DEEDS))
    def replace(self, data: st.DataObject, force: bool, cut: int | None) -> None:
        name = data.draw(st.none() | st.sampled_from(sorted(self.inside())))
        intent = read_intent(self.folder)
        self.world.forced = force or bool(intent and intent.forced)
        self.do(lambda: replace(self.world.place(), name, force=force), cut)

    @precondition(lambda self: read_intent(self.folder) is None and self.lacks() and len(self.inside()) < 4)
    @rule()
    def mend(self) -> None:
        """A blank disk, named, is always taken in where one is lacking."""
        resume(self.world.place())
        grown(self.world)
        if not self.lacks():
            return
        self.number += 1
        serial = f"N{self.number}"
        self.world.plug(serial)
        replace(self.world.place(), serial, force=False)
        grown(self.world)
        assert all(len(self.world.good(name)) == 2 for name in ARRAYS)
        assert self.world.bootable() >= set(read_server(self.folder).serials)

    @invariant()
    def every_array_has_a_good_disk(self) -> None:
        assert all(self.world.good(name) for name in ARRAYS)

    @invariant()
    def a_good_disk_holds_the_newest(self) -> None:
        for name in ARRAYS:
            assert {self.world.disks[one].copies[name] for one in self.world.good(name)} == {
                self.world.arrays[name].state
            }

    @invariant()
    def some_disk_starts_it(self) -> None:
        assert self.world.bootable()

    def inside(self) -> set[str]:
        """Who is in a slot."""
        return {one for one, disk in self.world.disks.items() if disk.present}

    def can_lose(self, serial: str) -> bool:
        """Whether the others have everything."""
        return all(set(self.world.good(name)) - {serial} for name in ARRAYS) and bool(self.world.bootable() - {serial})

    def lacks(self) -> bool:
        """Whether a place is free, and no array is at work for it."""
        seen = self.world.look()
        idle = [disk for disk in seen.own() if not any(not member.is_lost for _, member in seen.memberships(disk))]
        return bool(seen.missing() or idle)

    def do(self, deed: Callable[[], object], cut: int | None) -> None:
        self.world.until_cut = cut
        try:
            deed()
        except RaidError:
            pass
        except PowerCut:
            self.world.reboot()
        self.world.until_cut = None


TestServer = Server.TestCase
TestServer.settings = settings(
    max_examples=1000 if "HDINFRA_LONG" in os.environ else 40, stateful_step_count=30, deadline=None
)
