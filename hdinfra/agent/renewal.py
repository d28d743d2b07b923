"""The agent's own code: another bundle than the running one is fetched, checked, tried, and linked in its place.

The one that ran before stays. When the new one crashes again and again, systemd has it linked back (asset `previous`).
"""

import contextlib
import io
import json
import re
import shutil
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from hdinfra.protocol.bundle import MAX_BYTES, check_bundle
from hdinfra.protocol.seal import ProtocolError

from .commands import Run
from .durable import sync_folder, write_whole
from .first_boot import FirstBoot
from .paths import CODE, CODE_LEFT, CODE_PREVIOUS, CODE_TAKEN
from .problems import Problems, log
from .versions import Version

_FETCH_SECONDS = 20
_AGAIN_SECONDS = 30.0
_MOST_FILES = 500
_PIN = ("url", "sha256", "signature")
_PREFIX = "code-"
_PROGRAMS = {"control": "hdinfra-control.service", "lab-origin": "hdinfra-lab-origin.service"}
"""What else of a role runs our code."""
_FOLDER = re.compile(rf"{_PREFIX}([0-9a-f]{{16}})\Z")
_TRY = "import sys; sys.path.insert(0, sys.argv[1]); import hdinfra.agent.hdsync, hdinfra.agent.hdctl"


class CodeError(Exception):
    """A bundle that is not taken; the running code stays. `passing`: the next try may go well."""

    def __init__(self, text: str, *, passing: bool = False) -> None:
        self.passing = passing
        super().__init__(text)


class Renewal:
    """Looks after one machine's code."""

    def __init__(self, boot: FirstBoot, root: Path, run: Run, problems: Problems) -> None:
        self._boot = boot
        self._root = root
        self._run = run
        self._problems = problems
        self._refused: set[str] = set()
        self._again_at = float("-inf")
        self._left = _left(root)
        if self._left:
            problems.say(
                "code", f"{self._left} crashed again and again, so the one before it runs until a release names another"
            )

    def code(self, version: Version | None) -> str:
        """The running bundle's SHA-256: whole where a pin tells it, else as much as its folder's name does."""
        here, pin = running(self._root), self._pin(version)
        known = [pin["sha256"] if pin else "", self._boot.code]
        return next((sha256 for sha256 in known if here and sha256.startswith(here)), here)

    def taken(self, version: Version | None) -> bool:
        """Take the code that this version asks for; True when the running one has to end for it."""
        pin = self._pin(version)
        # A release asks once: else two API machines that differ for a moment would send us to and fro.
        if version is None or pin is None or version.release.number <= self._asked():
            return False
        if self._left and not pin["sha256"].startswith(self._left):
            self._forget_left()
        if not is_other(pin, self._root) or self._is_refused(pin) or time.monotonic() < self._again_at:
            return False
        try:
            take(pin, self._boot.role, self._boot.trust.signer, self._root, self._run)
        except CodeError as error:
            self._stay(pin, error)
            return False
        log(f"code {pin['sha256'][:16]} runs from now on")
        if program := _PROGRAMS.get(self._boot.role):
            self._run(("systemctl", "--no-block", "try-restart", program))
        with contextlib.suppress(OSError):
            note = json.dumps({"number": version.release.number}).encode()
            write_whole(self._root / CODE_TAKEN.lstrip("/"), note, 0o600)
        return True

    def sweep(self) -> None:
        """Remove what was fetched once and neither runs nor ran before."""
        link, previous = (self._root / path.lstrip("/") for path in (CODE, CODE_PREVIOUS))
        kept = {_linked(link), _linked(previous)}
        for folder in link.parent.glob(f"{_PREFIX}*"):
            if _linked(link) and _FOLDER.match(folder.name) and folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)

    def _pin(self, version: Version | None) -> Mapping[str, str] | None:
        pin = version.release.code.get(self._boot.role) if version else None
        is_pin = isinstance(pin, dict) and all(isinstance(pin.get(name), str) for name in _PIN)
        return pin if is_pin else None

    def _is_refused(self, pin: Mapping[str, str]) -> bool:
        return bool(self._left) or pin["sha256"] in self._refused

    def _asked(self) -> int:
        """The release that asked last."""
        try:
            return int(json.loads((self._root / CODE_TAKEN.lstrip("/")).read_bytes())["number"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def _forget_left(self) -> None:
        self._left = ""
        self._problems.over("code")
        with contextlib.suppress(OSError):
            (self._root / CODE_LEFT.lstrip("/")).unlink(missing_ok=True)

    def _stay(self, pin: Mapping[str, str], error: CodeError) -> None:
        self._problems.say("code", str(error))
        self._again_at = time.monotonic() + _AGAIN_SECONDS
        if not error.passing:
            self._refused.add(pin["sha256"])


def running(root: Path) -> str:
    """What of the running bundle's SHA-256 its folder's name tells (16 digits); empty without a bundle."""
    found = _FOLDER.match(_linked(root / CODE.lstrip("/")))
    return found[1] if found else ""


def _linked(link: Path) -> str:
    """The name of the folder that it leads to; empty where there is none."""
    try:
        return link.readlink().name
    except OSError:
        return ""


def _left(root: Path) -> str:
    """What of the SHA-256 of the bundle that was left is known; empty where none was."""
    try:
        found = _FOLDER.match((root / CODE_LEFT.lstrip("/")).read_text(errors="replace").strip())
    except OSError:
        return ""
    return found[1] if found else ""


def is_other(pin: Mapping[str, str], root: Path) -> bool:
    """Whether this pin asks for other code than what runs; never on a machine whose code came otherwise."""
    here = running(root)
    return bool(here) and not pin["sha256"].startswith(here)


def take(pin: Mapping[str, str], role: str, signer: str, root: Path, run: Run) -> None:
    """Fetch and link it; the caller has to end, so that systemd starts it. CodeError when it is not taken."""
    archive = fetched(pin["url"])
    try:
        check_bundle(archive, pin, role, signer)
        files = unpacked(archive)
    except ProtocolError as error:
        raise CodeError(f"{error.code}: {error}") from error
    link = root / CODE.lstrip("/")
    folder = link.with_name(f"{_PREFIX}{pin['sha256'][:16]}")
    try:
        _lay(files, folder)
        _try(folder, run)
        _switch(link, folder)
    except OSError as error:
        raise CodeError(f"{error}", passing=True) from error


def fetched(url: str) -> bytes:
    """4 MiB at most from an address of the web."""
    import urllib.request  # noqa: PLC0415 - a machine whose code never changes does without

    if urlsplit(url).scheme not in ("http", "https"):
        raise CodeError(f"{url!r:.120} is not an address of the web")
    try:
        with urllib.request.urlopen(url, timeout=_FETCH_SECONDS) as answer:  # noqa: S310 - the scheme was looked at
            found: bytes = answer.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise CodeError(f"{url} gives nothing: {error}", passing=True) from error
    if len(found) > MAX_BYTES:
        raise CodeError(f"{url} gives more than {MAX_BYTES:,} bytes")
    return found


def unpacked(archive: bytes) -> dict[str, bytes]:
    """Files by path. CodeError for anything but regular files inside their own folder."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as members:
            return dict(_member(members, member) for member in _bounded(members))
    except tarfile.TarError as error:
        raise CodeError(f"not an archive: {error}") from error


def _bounded(members: tarfile.TarFile) -> list[tarfile.TarInfo]:
    found = members.getmembers()
    if len(found) > _MOST_FILES:
        raise CodeError(f"{len(found):,} files; {_MOST_FILES:,} are the most")
    return found


def _member(members: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[str, bytes]:
    path = PurePosixPath(member.name)
    file = members.extractfile(member) if member.isreg() else None
    if file is None or path.is_absolute() or ".." in path.parts or not path.parts:
        raise CodeError(f"{member.name!r:.120} is not a file inside the bundle")
    return member.name, file.read()


def _lay(files: Mapping[str, bytes], folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)  # left by a fetch that was cut off: it never became the running one
    for path, content in files.items():
        write_whole(folder / path, content, 0o644)
    sync_folder(folder)


def _try(folder: Path, run: Run) -> None:
    result = run(("/usr/bin/python3", "-IB", "-c", _TRY, str(folder)))
    if result.code:
        shutil.rmtree(folder, ignore_errors=True)
        raise CodeError(f"it does not even start: {result.words[-300:]}")


def _switch(link: Path, folder: Path) -> None:
    _point(link.with_name(PurePosixPath(CODE_PREVIOUS).name), _linked(link))
    _point(link, folder.name)
    sync_folder(link.parent)


def _point(link: Path, name: str) -> None:
    fresh = link.with_name(f"{link.name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name)
    fresh.rename(link)
