"""Brings a policy into force: check, write what differs, reload, wait; whatever goes wrong, the last good one stays.

Files are a pure function of the document, and the document in force is kept: so an apply that was cut off anywhere is
undone or finished by the next one, which compares with the disk and reloads everything.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from functools import partial
from importlib import import_module
from pathlib import Path

from .commands import ApplyError, Run, wait
from .durable import write_whole
from .fields import PolicyError
from .local import Local, read_local, write_local
from .paths import (
    APPLYING,
    BASE,
    DOCUMENT,
    LOCK,
    OVERRIDES,
    POLICY,
    STAGE,
    TENANT_CACHES,
    TENANT_LOGS,
    TENANT_SOCKETS,
    TENANTS_IN_FORCE,
)
from .policy import Document, parse
from .services import Service

_APPS = {
    "waf": "waf",
    "load-balancer": "load_balancer",
    "lab-origin": "lab_origin",
    "control": "control_node",
    "dns": "dns",
}
_CHECKED_BASE = ("nginx.conf", "haproxy.cfg", "firewall.nft")
_STAGED = {POLICY: "", TENANT_LOGS: "/logs", TENANT_CACHES: "/caches", TENANT_SOCKETS: "/sockets"}
"""Below the stage while a policy is checked: a check opens logs, caches and sockets, and live ones must be spared."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A document as files, and the programs that read them. `prepare`: what else these want to find on the disk."""

    files: Mapping[str, str]
    services: Sequence[Service]
    prepare: Callable[[Path], None] = lambda _: None


def rendered(document: Document, local: Local) -> Rendered:
    """Files and programs of a document's App. Only the App of this machine's role lies here."""
    try:
        app = import_module(f".{_APPS[document.app]}", __package__)
    except ModuleNotFoundError:
        raise PolicyError(f"app: this machine is not of the role {document.app!r}") from None
    files = app.render(local.over(document.policy))
    own = (app.prepare,) if hasattr(app, "prepare") else ()
    return Rendered({**files, **app.DRAINED} if local.drained else files, app.SERVICES, *own)


@dataclass(frozen=True, slots=True)
class Applied:
    """What came into force and which files were touched for it."""

    document: Document
    changed: tuple[str, ...]


class Applier:
    """One machine's policy. `root` is where its file system begins."""

    def __init__(self, run: Run, root: Path = Path("/")) -> None:
        self._run = run
        self._root = root

    def apply(self, raw: bytes, wait_seconds: float) -> Applied:
        """Bring a document into force; PolicyError, ApplyError or OSError when it is not, and the previous one is."""
        return self.apply_with(raw, self.local(), wait_seconds)

    def apply_with(self, raw: bytes, local: Local, wait_seconds: float) -> Applied:
        """The same, and this machine's own wishes with it: both come into force, or neither."""
        document = parse(raw)
        wanted = rendered(document, local)
        with self._locked():
            wanted.prepare(self._root)
            self._check(wanted)
            previous = self._previous()
            try:
                changed = self._bring(wanted, wait_seconds, everything=self._at(APPLYING).exists() or not previous)
                self._keep(document, local, previous)
            except (ApplyError, OSError) as error:
                self._restore(previous, wait_seconds, error)
                raise
            self._at(APPLYING).unlink(missing_ok=True)
        return Applied(document, changed)

    def reload(self, wait_seconds: float) -> Applied | None:
        """Make every program take the policy in force anew; None when there is none."""
        document = self.current()
        if document is None:
            return None
        self._write(APPLYING, b"", 0o600)
        shutil.rmtree(self._at(TENANTS_IN_FORCE), ignore_errors=True)  # so that tenants' programs take theirs anew
        return self.apply(document.raw, wait_seconds)

    def local(self) -> Local:
        """What this machine's operators want of it."""
        return read_local(self._at(OVERRIDES))

    def current(self) -> Document | None:
        """The document in force, None before the first."""
        path = self._at(DOCUMENT)
        return parse(path.read_bytes()) if path.exists() else None

    def mark(self) -> tuple[int, int] | None:
        """Another one whenever a document came into force, None before the first; cheaper than to read it."""
        try:
            found = self._at(DOCUMENT).stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def restore_files(self) -> tuple[str, ...]:
        """At boot, before any program starts: make the disk what the document in force asks for."""
        document = self.current()
        with self._locked():
            wanted = self._rendered(document) if document else Rendered({}, ())
            wanted.prepare(self._root)
            changed = self._write_files(wanted.files)
            self._at(APPLYING).unlink(missing_ok=True)
        return changed

    def serving(self, document: Document) -> bool:
        """Whether every program answers as the document asks."""
        return all(self.programs(document).values())

    def programs(self, document: Document) -> dict[str, bool]:
        """Of each program, by systemd's name or its own, whether it answers as the document asks."""
        wanted = self._rendered(document)
        return {service.unit or type(service).__name__: service.serving(wanted.files) for service in wanted.services}

    def _rendered(self, document: Document) -> Rendered:
        return rendered(document, self.local())

    def _previous(self) -> Document | None:
        try:
            return self.current()
        except PolicyError:  # written by an agent that knew other fields; what replaces it is complete
            return None

    def _keep(self, document: Document, local: Local, previous: Document | None) -> None:
        if local != self.local():
            write_local(self._at(OVERRIDES), local)
        if previous is None or previous.raw != document.raw:
            self._write(DOCUMENT, document.raw, 0o600)

    def _bring(self, wanted: Rendered, wait_seconds: float, *, everything: bool) -> tuple[str, ...]:
        self._write(APPLYING, b"", 0o600)
        changed = self._write_files(wanted.files)
        for service in wanted.services:
            if everything or any(map(service.reads, changed)):
                service.activate(self._run, wanted.files)
        for service in wanted.services:
            if not wait(partial(service.serving, wanted.files), wait_seconds):
                raise ApplyError(f"{type(service).__name__} does not serve the policy after {wait_seconds:g} s")
        return changed

    def _restore(self, previous: Document | None, wait_seconds: float, why: ApplyError | OSError) -> None:
        """Back to the last good document; `why` decides whose fault it was, the policy's or this machine's."""
        try:
            if previous:
                self._bring(self._rendered(previous), wait_seconds, everything=True)
                self._at(APPLYING).unlink(missing_ok=True)
            else:
                self._write_files({})
        except (ApplyError, OSError) as error:
            if isinstance(why, OSError):
                raise why from error
            raise ApplyError(f"{why}\nthe previous policy could not be put back either: {error}") from error

    def _check(self, wanted: Rendered) -> None:
        stage = self._at(STAGE)
        shutil.rmtree(stage, ignore_errors=True)
        stage.mkdir(parents=True, mode=0o700)
        try:
            self._stage(wanted.files, stage)
            for service in wanted.services:
                argv = service.check(str(stage))
                result = self._run(argv) if argv else None
                if argv and result and result.code:
                    raise ApplyError(f"{argv[0]} refuses the policy:\n{result.words}")
        finally:
            shutil.rmtree(stage, ignore_errors=True)

    def _stage(self, files: Mapping[str, str], stage: Path) -> None:
        """The complete result beside the live one: base files and policy with the policy's folder renamed."""
        for name in ("haproxy", "logs", "caches", "sockets"):
            (stage / name).mkdir()
        base = {name: self._at(f"{BASE}/{name}") for name in _CHECKED_BASE}
        texts = {name: path.read_text() for name, path in base.items() if path.exists()}
        texts |= {path.removeprefix(f"{POLICY}/"): content for path, content in files.items()}
        for name, content in texts.items():
            target = stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.parent.parent.name == "tenants":
                for own in ("logs", "caches"):
                    (stage / own / target.parent.name).mkdir(exist_ok=True)
            target.write_text(_at_stage(content, stage))

    def _write_files(self, files: Mapping[str, str]) -> tuple[str, ...]:
        """Write what differs, then remove what nobody asks for."""
        changed = [path for path, content in files.items() if self._differs(path, content)]
        for path in changed:
            self._write(path, files[path].encode(), 0o644)
        return (*changed, *self._remove_others(files))

    def _differs(self, path: str, content: str) -> bool:
        try:
            return self._at(path).read_bytes() != content.encode()
        except FileNotFoundError:
            return True

    def _remove_others(self, files: Mapping[str, str]) -> Iterator[str]:
        for found in sorted(self._at(POLICY).rglob("*"), reverse=True):
            path = "/" + str(found.relative_to(self._root))
            if found.is_dir() and found.parent.name == "tenants" and not any(found.iterdir()):
                found.rmdir()
            elif not found.is_dir() and path not in files:
                found.unlink()
                yield path

    def _write(self, path: str, content: bytes, mode: int) -> None:
        write_whole(self._at(path), content, mode)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._at(LOCK)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            flock(file, LOCK_EX)
            yield

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _at_stage(content: str, stage: Path) -> str:
    for live, staged in _STAGED.items():
        content = content.replace(live, f"{stage}{staged}")
    return content
