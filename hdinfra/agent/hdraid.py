"""The command for the disks of a server of one's own: how they are, take one out, take a new one in, prove them alike.

It needs no control plane and no network. Root alone may use it.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from functools import partial
from pathlib import Path
from typing import Any

from hdinfra.protocol.boot_loader import GRUB_INSTALL

from . import commands
from .commands import wait
from .paths import RAID_LOCK
from .raid_alerts import is_over
from .raid_arrays import Seen, look
from .raid_contents import wipe
from .raid_deeds import compare, fail, look_alike
from .raid_esps import Esps, differing, esps_seen
from .raid_mounts import Mounted
from .raid_notes import Note, Notes, of_mdadm, of_smartd
from .raid_progress import Progress, await_copies, await_rest
from .raid_replace import Place, forget, read_intent, replace, resume
from .raid_report import health, lines, report
from .raid_rules import being_written, lost, one
from .raid_server import RaidError, read_server

_ROOT = Path("/")
_PROGRAM_SECONDS = 600
"""No program here takes a minute, but on a slow disk that is being copied, several may wait for one another."""
_HOOK_SECONDS = 900
_EXAMPLES = """\
examples:
  hdraid status                 arrays, disks, boot partitions, and what is wrong
  hdraid fail S4EVNX0R          take that disk out of every array, before it is pulled
  hdraid replace                take in the blank disk that was put into the slot
  hdraid replace S4EVNX0R       the same, where more than one could be meant
  hdraid replace S4EVNX0R --force   although something else is on it, which is lost then
  hdraid verify                 compare both halves of every array, and see that each disk starts this server
  hdraid esp                    make all boot partitions alike, after one was changed
  hdraid esp --renew            make the boot loader anew, and put it on all of them
  hdraid note clear             what mdadm and smartd said was seen to
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 well, 1 not, 2 wrong use."""
    options = _parser().parse_args(arguments)
    os.environ |= {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    try:
        if os.geteuid():
            raise RaidError("only root may")
        return int(options.run(options))
    except (RaidError, OSError) as error:
        print(f"hdraid: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nhdraid: the kernel goes on by itself; `hdraid status` tells how far it is", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hdraid", description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    status = _add(verbs, "status", _status, "say how arrays, disks and boot partitions are, and what is wrong")
    status.add_argument("--json", action="store_true", help="one line of JSON on stdout")
    _add(verbs, "fail", _fail, "take a disk out of every array, so that it can be pulled").add_argument(
        "disk", metavar="SERIAL|DEVICE", help="its serial number, or its device"
    )
    taken = _add(verbs, "replace", _replace, "take a new disk in, and watch it being written")
    taken.add_argument(
        "disk", metavar="SERIAL|DEVICE", nargs="?", help="the new disk, where more than one could be meant"
    )
    taken.add_argument("--force", action="store_true", help="although foreign data is on it, which is lost then")
    _add(verbs, "verify", _verify, "compare the halves of every array, and prove that each disk can start this server")
    esp = _add(verbs, "esp", _esp, "make all boot partitions alike")
    esp.add_argument("--renew", action="store_true", help="have grub-install make the boot loader anew first")
    _add(verbs, "resume", _resume, "at every boot: have copies go on that were cut short by the last one's end")
    _add(verbs, "gone", _gone, "for udev: a disk has gone, so let go of it in every array, and of its boot partition")
    note = _add(verbs, "note", _note, "for mdadm's monitor and smartd: keep what they say until `note clear`")
    note.add_argument("source", choices=("mdadm", "smartd", "clear"), help="who says it")
    note.add_argument("words", nargs="*", help="of mdadm: EVENT ARRAY [COMPONENT]; smartd speaks by its environment")
    return parser


def _add(verbs: Any, name: str, run: Callable[[argparse.Namespace], int], words: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=words, description=words)
    parser.set_defaults(run=run)
    return parser


def _status(options: argparse.Namespace) -> int:
    place = _place()
    seen = place.look()
    try:
        with _locked(0):
            esps = place.esps.look(seen)
    except _BusyError:
        esps = esps_seen(_ROOT) or {}
    told = report(seen, esps, Notes(_ROOT).all(), read_intent(_ROOT), health(place.run, seen))
    print(json.dumps(told, sort_keys=True) if options.json else "\n".join(lines(told)))
    return 0


def _fail(options: argparse.Namespace) -> int:
    with _locked(0):
        fail(_place(), options.disk)
    return 0


def _replace(options: argparse.Namespace) -> int:
    place = _place()
    with _locked(0):
        serial = None if options.disk or read_intent(_ROOT) else being_written(place.look())
        if serial is None:
            serial = replace(place, options.disk, force=options.force)
        resume(place)
    place.told(f"{serial} is being written; it may take hours, and the kernel goes on if this is stopped")
    await_copies(place.look, serial, Progress())
    return _whole(place, serial)


def _whole(place: Place, serial: str) -> int:
    """It is done when nothing is wrong any more."""
    with _locked(_HOOK_SECONDS):
        seen, notes = place.look(), Notes(_ROOT)
        esps = place.esps.look(seen)
        if differing(esps):
            esps = place.esps.make_alike(seen)
        new = one(seen, serial)
        notes.forget(lambda note: is_over(note, seen, new))
        told = report(seen, esps, notes.all(), read_intent(_ROOT), health(place.run, seen))
    for problem in told["problems"]:
        place.told(f"still: {problem}")
    place.told(f"{serial} is at its work")
    return 1 if told["problems"] else 0


def _verify(_: argparse.Namespace) -> int:
    place = _place()
    with _locked(0):
        wrong = look_alike(place)
    # It takes hours, in which a disk may be pulled and packages want their boot partitions alike: nothing is held while
    # an array is compared. Its `sync_action` keeps others from taking a disk in or out.
    begin = partial(_locked, _HOOK_SECONDS)
    wrong += compare(place, Notes(_ROOT), begin, lambda name: await_rest(place.look, name, Progress()))
    for each in wrong:
        print(f"hdraid: {each}", file=sys.stderr)
    if not wrong:
        print("every array is whole and alike, and every disk can start this server")
    return 1 if wrong else 0


def _esp(options: argparse.Namespace) -> int:
    place = _place()
    with _locked(_HOOK_SECONDS):
        seen = place.look()
        found = place.esps.renew(seen, partial(_install, place)) if options.renew else place.esps.make_alike(seen)
    wrong = differing(found)
    for serial, words in wrong.items():
        print(f"hdraid: boot partition of {serial}: {words}", file=sys.stderr)
    return 1 if wrong else 0


def _resume(_: argparse.Namespace) -> int:
    with _locked(_HOOK_SECONDS):
        resume(_place())
    return 0


def _gone(_: argparse.Namespace) -> int:
    place = _place()
    with _locked(_HOOK_SECONDS):
        for array in lost(place.look()):
            forget(place, array)
        seen = place.look()
        if seen.esp_mount is None or seen.esp_mount.is_dead:
            place.esps.make_alike(seen)
    return 0


def _install(place: Place, folder: Path) -> None:
    """Found by firmware that knows nothing of this disk."""
    place.must(*GRUB_INSTALL, "--removable", f"--efi-directory={folder}", "--boot-directory=/boot")


def _note(options: argparse.Namespace) -> int:
    notes = Notes(_ROOT)
    if options.source == "clear":
        print(f"{notes.clear()} forgotten")
        return 0
    notes.add(_told(options))
    return 0


def _told(options: argparse.Namespace) -> Note:
    if options.source == "smartd":
        return of_smartd(os.environ)
    if not 2 <= len(options.words) <= 3:
        raise RaidError("mdadm says EVENT ARRAY [COMPONENT], as `mdadm --monitor --program` does")
    return of_mdadm(*options.words)


def _place() -> Place:
    run = partial(commands.run, seconds=_PROGRAM_SECONDS)
    told = partial(print, flush=True)
    return Place(_ROOT, run, _look, wipe, Esps(Mounted(run, _ROOT), _ROOT, told), told)


def _look() -> Seen:
    return look(read_server(_ROOT), _ROOT)


class _BusyError(RaidError):
    """Another run is at it."""


@contextmanager
def _locked(seconds: float) -> Iterator[None]:
    """One run at a time; the kernel lets go when we die. What a killed run left mounted is let go of first."""
    path = _ROOT / RAID_LOCK.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        if not wait(partial(_is_ours, file), seconds):
            file.seek(0)
            raise _BusyError(
                f"another hdraid is at work (process {file.read().strip() or 'unknown'}): wait for its end"
            )
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        Mounted(commands.run, _ROOT).clean()
        yield


def _is_ours(file: Any) -> bool:
    try:
        flock(file, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
