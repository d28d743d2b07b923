"""Brings a policy into force: check, write what differs, reload, wait; whatever goes wrong, the last good one stays.

Files are a pure function of the document, and the document in force is kept: so an apply that was cut off anywhere is
undone or finished by the next one, which compares with the disk and reloads everything.
"""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from functools import partial
from importlib import import_module
from pathlib import Path

from .commands import ApplyError, Run, wait
from .paths import APPLYING, BASE, DOCUMENT, LOCK, POLICY, STAGE
from .policy import Document, PolicyError, parse
from .services import Service

_APPS = {"waf": "waf", "load-balancer": "load_balancer", "lab-origin": "lab_origin"}
_CHECKED_BASE = ("nginx.conf", "haproxy.cfg", "firewall.nft")


@dataclass(frozen=True, slots=True)
class Rendered:
    """A document as files, and the programs that read them."""

    files: Mapping[str, str]
    services: Sequence[Service]


def rendered(document: Document) -> Rendered:
    """Files and programs of a document's App. Only the App of this machine's role lies here."""
    try:
        app = import_module(f".{_APPS[document.app]}", __package__)
    except ModuleNotFoundError:
        raise PolicyError(f"app: this machine is not of the role {document.app!r}") from None
    return Rendered(app.render(document.policy), app.SERVICES)


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
        """Bring a document into force; PolicyError or ApplyError when it is not, and the previous one is."""
        document = parse(raw)
        wanted = rendered(document)
        with self._locked():
            self._check(wanted)
            previous = self.current()
            try:
                changed = self._bring(wanted, wait_seconds, everything=self._at(APPLYING).exists() or not previous)
            except (ApplyError, OSError):
                self._restore(previous, wait_seconds)
                raise
            self._write(DOCUMENT, document.raw, 0o600)
            self._at(APPLYING).unlink(missing_ok=True)
        return Applied(document, changed)

    def current(self) -> Document | None:
        """The document in force, None before the first."""
        path = self._at(DOCUMENT)
        return parse(path.read_bytes()) if path.exists() else None

    def restore_files(self) -> tuple[str, ...]:
        """At boot, before any program starts: make the disk what the document in force asks for."""
        document = self.current()
        with self._locked():
            changed = self._write_files(rendered(document).files if document else {})
            self._at(APPLYING).unlink(missing_ok=True)
        return changed

    def serving(self, document: Document) -> bool:
        """Whether every program answers as the document asks."""
        wanted = rendered(document)
        return all(service.serving(wanted.files) for service in wanted.services)

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

    def _restore(self, previous: Document | None, wait_seconds: float) -> None:
        """Back to the last good document; the first error is what is reported, so this one's own is not."""
        try:
            if previous:
                self._bring(rendered(previous), wait_seconds, everything=True)
                self._at(APPLYING).unlink(missing_ok=True)
            else:
                self._write_files({})
        except (ApplyError, OSError) as error:
            raise ApplyError(f"the previous policy could not be put back either: {error}") from error

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
        (stage / "haproxy").mkdir()
        base = {name: self._at(f"{BASE}/{name}") for name in _CHECKED_BASE}
        texts = {name: path.read_text() for name, path in base.items() if path.exists()}
        texts |= {path.removeprefix(f"{POLICY}/"): content for path, content in files.items()}
        for name, content in texts.items():
            target = stage / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(content.replace(POLICY, str(stage)))

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
        """Whole or not at all, even if power fails."""
        target = self._at(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(".hdinfra.half")  # one is enough under the lock, and no name gets too long
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        half.rename(target)
        _sync_folder(target.parent)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self._at(LOCK)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as file:
            flock(file, LOCK_EX)
            yield

    def _at(self, path: str) -> Path:
        return self._root / path.lstrip("/")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
