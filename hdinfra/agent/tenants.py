"""Tenants' own programs: a Unix user, a slice, a socket on which systemd listens, and an nginx that comes when asked.

Beside hdsync, units of the base run this: `begin` at boot, `rest` every minute.
"""

import grp
import hashlib
import os
import pwd
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from . import quota
from .caches import drop_caches
from .commands import ApplyError, Run, children, must, run, wait
from .durable import write_whole
from .haproxy import statistics, uptime_seconds
from .logs import cut_logs
from .paths import BEHIND, STATE, TENANT_FOLDERS, TENANT_LOGS, TENANT_SOCKETS, TENANTS, TENANTS_IN_FORCE

LIMITS = "limits"
"""The file with a tenant's properties of its slice, one a line."""
DISK = "disk"
"""The file with how many MiB a tenant's files may take."""
_PARENTS = ("hdinfra.slice", "hdinfra-tenants.slice")
"""What protects a tenant's memory holds only as far as these, which are around it, are protected themselves."""
_RELOAD_SECONDS = 30.0
"""For all that do not take theirs together, and a second more for each: whoever waits here, the others wait for."""
_BEGIN_SECONDS = 5.0
"""Ten times what nginx takes to read the CRS; until it has, SIGHUP ends it, and it reads anew when it wakes."""
_IDLE_SECONDS = 600
"""Without a request for so long, a tenant's nginx goes to sleep. Waking takes half a second of one request."""
_LOW = "MemoryLow="
_LOGROTATE = f"{STATE}/logrotate.tenants"
_ROTATE_SECONDS = "20"
_UNIX_SOCKETS = Path("/proc/net/unix")
_LISTENS = "00010000"  # __SO_ACCEPTCON, the kernel's flag of a socket that listens


def keys_in(files: Iterable[str]) -> set[str]:
    """Keys of the tenants that these files are of."""
    prefix = f"{TENANTS}/"
    return {path.removeprefix(prefix).partition("/")[0] for path in files if path.startswith(prefix)}


class Users:
    """Tenants' Unix users. They are never taken away: no other tenant can come by the number of one that is gone,
    nor by what of its files is left."""

    unit = None

    def reads(self, _path: str, /) -> bool:
        """No file."""
        return False

    def check(self, stage: str) -> tuple[str, ...] | None:
        """Makes those that are missing: HAProxy's own check asks for them. One of a policy that is refused then does
        no harm, as nothing runs under it."""
        folder = Path(stage) / "tenants"
        keys = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        missing = [f"hdinfra-tenant-user@{key}.service" for key in keys if not _exists(f"hdt-{key}")]
        return ("systemctl", "start", *missing) if missing else None

    def activate(self, run: Run, _files: Iterable[str], /) -> None:
        """They are there."""

    def serving(self, _files: Iterable[str], /) -> bool:
        """They are there."""
        return True


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


class Servers:
    """One nginx a tenant. Those whose files are what they took already are left alone, whatever else changes.

    What a tenant's own programs do not take is nobody else's trouble: it is noted with the reason, which status shows,
    and tried again every minute."""

    unit = "hdinfra-tenant@*.service"

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root

    def reads(self, path: str) -> bool:
        """Tenants' folders."""
        return path.startswith(f"{TENANTS}/")

    def check(self, stage: str) -> tuple[str, ...]:
        """Parse all tenants' files at once, rules included."""
        return ("/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", f"{stage}/nginx.conf")

    def activate(self, run: Run, files: Iterable[str], /) -> None:
        """Stop whoever is gone, then bring whoever differs to its files."""
        wanted = {key: self._digest(key) for key in sorted(keys_in(files))}
        known = self._in_force()
        self._end(run, sorted(known.keys() - wanted.keys()))
        differing = [key for key, digest in wanted.items() if known.get(key) != digest]
        for key in differing:
            self._note(key, f"{BEHIND}its programs have not been told yet")
            self._own(key)
            self._limit(run, key)
        if differing:
            self._protect(run, wanted)
            must(run, "systemctl", "start", "hdinfra-tenants-disk.service")
            self._bring(run, {key: wanted[key] for key in differing})
        drop_caches(str(self._at(path)) for path in files)

    def _bring(self, run: Run, wanted: Mapping[str, str]) -> None:
        """Start whoever is new and reload whoever is awake; `wanted`: digests of their files."""
        differing = list(wanted)
        must(run, "systemctl", "start", *(f"hdinfra-tenant@{key}.socket" for key in differing))
        patience = _RELOAD_SECONDS
        for key, master in _masters(run, differing):
            began = time.monotonic()
            try:
                if master:
                    _reload(run, key, master, max(1.0, patience))
            except ApplyError as error:
                patience -= time.monotonic() - began
                print(f"tenant {key}: {error}", file=sys.stderr)
                self._note(key, f"{BEHIND}{error}")
            else:
                self._note(key, wanted[key])

    def retry(self, run: Run) -> None:
        """Those whose programs did not take their files, once more."""
        behind = [key for key, noted in self._in_force().items() if noted.startswith(BEHIND)]
        wanted = {key: self._digest(key) for key in behind if self._at(f"{TENANTS}/{key}").exists()}
        if wanted:
            self._bring(run, wanted)

    def serving(self, files: Iterable[str], /) -> bool:
        """Somebody listens for each: its nginx, or systemd that starts it."""
        sockets = {f"{TENANT_SOCKETS}/{key}.sock" for key in keys_in(files)}
        return sockets <= _listening()

    def _digest(self, key: str) -> str:
        digest = hashlib.sha256()
        for path in sorted(self._at(f"{TENANTS}/{key}").iterdir()):
            digest.update(f"{path.name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    def _in_force(self) -> Mapping[str, str]:
        folder = self._at(TENANTS_IN_FORCE)
        return {path.name: path.read_text() for path in folder.iterdir()} if folder.exists() else {}

    def _end(self, run: Run, keys: Iterable[str]) -> None:
        for key in keys:
            units = (f"hdinfra-tenant@{key}.socket", f"hdinfra-tenant@{key}.service")
            if run(("systemctl", "stop", *units)).code:  # it does not end by itself, and nobody else waits for it
                run(("systemctl", "kill", "--signal=SIGKILL", units[1]))
                must(run, "systemctl", "stop", *units)
            run(("systemctl", "stop", f"hdinfra-tenants-{key}.slice"))  # whatever else it left running there
            self._stamp(key).unlink(missing_ok=True)

    def _own(self, key: str) -> None:
        """The tenant may read its own configuration, and nobody else's."""
        folder = self._at(f"{TENANTS}/{key}")
        os.chown(folder, 0, grp.getgrnam(f"hdt-{key}").gr_gid)
        folder.chmod(0o750)

    def _limit(self, run: Run, key: str) -> None:
        properties = self._at(f"{TENANTS}/{key}/{LIMITS}").read_text().split()
        if properties:
            must(run, "systemctl", "set-property", "--runtime", f"hdinfra-tenants-{key}.slice", *properties)

    def _protect(self, run: Run, keys: Iterable[str]) -> None:
        lines = [line for key in keys for line in self._at(f"{TENANTS}/{key}/{LIMITS}").read_text().split()]
        total = sum(int(line.removeprefix(_LOW).removesuffix("M")) for line in lines if line.startswith(_LOW))
        for parent in _PARENTS:
            must(run, "systemctl", "set-property", "--runtime", parent, f"{_LOW}{total}M")

    def _note(self, key: str, words: str) -> None:
        write_whole(self._stamp(key), words.encode(), 0o600)

    def _stamp(self, key: str) -> Path:
        return self._at(f"{TENANTS_IN_FORCE}/{key}")

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _masters(run: Run, keys: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Each with its nginx's process id, 0 while it sleeps."""
    units = [f"hdinfra-tenant@{key}.service" for key in keys]
    # A start that failed for what lay there before must not keep the socket from trying again.
    run(("systemctl", "reset-failed", *units))
    told = run(("systemctl", "show", "--value", "-p", "MainPID", *units))
    if told.code or len(told.words.split()) != len(keys):
        raise ApplyError(f"systemd does not say which tenants' programs run:\n{told.words}")
    yield from zip(keys, map(int, told.words.split()), strict=True)


def _reload(run: Run, key: str, master: int, seconds: float) -> None:
    """Have a running nginx swap its workers, and see the old ones leave; one that sleeps will read when it wakes."""
    alive = Path(f"/proc/{master}")
    # One that begins just now starts its first workers with what lay there before.
    wait(lambda: bool(children(master)) or not alive.exists(), min(seconds, _BEGIN_SECONDS))
    old = children(master)
    # It may be falling asleep at this very moment; then it reads when it wakes.
    must(run, "systemctl", "try-reload-or-restart", f"hdinfra-tenant@{key}.service")

    def swapped() -> bool:
        """New ones alone would not do: they may be the last of its beginning, or of the reload before."""
        now = children(master)
        return bool(now) and not now & old

    if not wait(lambda: swapped() or not alive.exists(), seconds):
        raise ApplyError(f"nginx of {key} kept its old workers; its error.log says why")


def _listening() -> set[str]:
    try:
        rows = [line.split() for line in _UNIX_SOCKETS.read_text().splitlines()]
    except OSError:
        return set()
    return {row[7] for row in rows if len(row) > 7 and row[3] == _LISTENS}


def idle(rows: Iterable[Mapping[str, str]], up_seconds: int) -> Iterator[str]:
    """Keys of tenants that nobody asked for long, by HAProxy's statistics; `up_seconds`: since when it counts."""
    for row in rows:
        name = row["pxname"]
        if row["svname"] != "BACKEND" or not name.startswith("tenant-"):
            continue
        last = int(row["lastsess"] or -1)
        if int(row["scur"] or 0) == 0 and (up_seconds if last < 0 else last) >= _IDLE_SECONDS:
            yield name.removeprefix("tenant-")


def rest(run: Run) -> None:
    """Send to sleep whoever is idle, and cut long logs. A request that comes meanwhile waits in the socket."""
    sleepers = [f"hdinfra-tenant@{key}.service" for key in idle(statistics(), uptime_seconds())]
    if sleepers:
        # One that does not end by itself is killed in a minute; nobody's logs wait for it.
        must(run, "systemctl", "stop", "--no-block", *sleepers)
    cut_logs(Path(TENANT_LOGS))
    for path in sorted(Path(TENANTS).glob("*/logrotate.conf")):
        rotate(run, path)


def rotate(run: Run, path: Path) -> None:
    """One tenant's logs, within a time of its own: what another one has to copy must not keep these from it."""
    told = run(("/usr/bin/timeout", _ROTATE_SECONDS, "/usr/sbin/logrotate", "-s", _LOGROTATE, str(path)))
    if told.code:  # a full quota, or more than could be copied: next minute is another try
        print(f"logs of {path.parent.name}: {told.words or f'ended with {told.code}'}", file=sys.stderr)


def disk() -> None:
    """Have the file systems of tenants' files refuse who is over its plan. Where one keeps no quotas, `hdctl status`
    says so, and what is written there is bounded by logrotate and nginx alone."""
    for folder in filter(quota.enforce, TENANT_FOLDERS):
        for path in sorted(Path(TENANTS).glob(f"*/{DISK}")):
            quota.limit(folder, pwd.getpwnam(f"hdt-{path.parent.name}").pw_uid, int(path.read_text()))


def main(arguments: list[str]) -> int:
    """`begin`: at boot, sockets and limits as the files ask. `rest`: whoever is idle sleeps, long logs are cut, and who
    did not take its files is asked again. `disk`: quotas as the files ask."""
    match arguments:
        case ["begin"]:
            SERVERS.activate(run, [str(path) for path in Path(TENANTS).glob("*/*")])
        case ["rest"]:
            rest(run)
            SERVERS.retry(run)
        case ["disk"]:
            disk()
        case _:
            print("tenants begin | disk | rest", file=sys.stderr)
            return 2
    return 0


USERS = Users()
SERVERS = Servers()
