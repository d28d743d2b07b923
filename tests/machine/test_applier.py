"""Whatever happens to an apply, the machine ends with the last good policy or the new one, never with a mixture."""

import errno
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from hdinfra.agent import applier as module
from hdinfra.agent.applier import Applier, Rendered
from hdinfra.agent.commands import ApplyError, Result, Run
from hdinfra.agent.fields import PolicyError
from hdinfra.agent.local import Local
from hdinfra.agent.paths import APPLYING, DOCUMENT, POLICY, STAGE
from hdinfra.agent.policy import Document, LabOriginPolicy


class Program:
    """A stand-in for nginx: takes what lies on the disk when it is activated, unless told to fail."""

    unit = None

    def __init__(self, root: Path) -> None:
        self.root = root
        self.serves: set[str] = set()
        self.reloads = 0
        self.refused_host = ""
        self.broken_host = ""

    def reads(self, path: str, /) -> bool:
        return path.startswith(POLICY)

    def check(self, stage: str) -> tuple[str, ...]:
        return ("check", stage)

    def activate(self, _run: Run, _files: Iterable[str], /) -> None:
        self.reloads += 1
        found = {path.name for path in (self.root / POLICY.lstrip("/")).iterdir()}
        if self.broken_host in found:
            raise ApplyError("the program kept its old workers")
        self.serves = found

    def serving(self, files: Iterable[str], /) -> bool:
        return self.serves == {path.rpartition("/")[2] for path in files}

    def run(self, argv: Sequence[str]) -> Result:
        staged = {path.name for path in Path(argv[1]).iterdir()}
        return Result(1, "line 7: unexpected end") if self.refused_host in staged else Result(0, "")


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """One program that reads one file a host."""
    program = Program(tmp_path)

    def rendered(document: Document, local: Local) -> Rendered:
        assert isinstance(document.policy, LabOriginPolicy)
        names = [*document.policy.hosts, *(["drained"] if local.drained else [])]
        return Rendered({f"{POLICY}/{name}": f"{name} at {POLICY}\n" for name in names}, (program,))

    monkeypatch.setattr(module, "rendered", rendered)
    return program


@pytest.fixture
def applier(program: Program, tmp_path: Path) -> Applier:
    return Applier(program.run, tmp_path)


def hosts(*names: str) -> bytes:
    inner = ",".join(f'"{name}"' for name in names)
    return f'{{"app":"lab-origin","hosts":[{inner}],"schema_version":1}}'.encode()


def on_disk(root: Path) -> set[str]:
    return {path.name for path in (root / POLICY.lstrip("/")).iterdir()}


def test_touches_only_what_differs(applier: Applier, program: Program, tmp_path: Path) -> None:
    applier.apply(hosts("a.test", "b.test"), 1)
    untouched = (tmp_path / POLICY.lstrip("/") / "a.test").stat()
    assert applier.apply(hosts("a.test", "c.test"), 1).changed == (f"{POLICY}/c.test", f"{POLICY}/b.test")
    assert (tmp_path / POLICY.lstrip("/") / "a.test").stat().st_ino == untouched.st_ino
    assert on_disk(tmp_path) == program.serves == {"a.test", "c.test"}


def test_same_policy_reloads_nothing(applier: Applier, program: Program) -> None:
    applier.apply(hosts("a.test"), 1)
    assert (applier.apply(hosts("a.test"), 1).changed, program.reloads) == ((), 1)


def test_what_the_checker_refuses_never_goes_live(applier: Applier, program: Program, tmp_path: Path) -> None:
    applier.apply(hosts("a.test"), 1)
    program.refused_host = "bad.test"
    with pytest.raises(ApplyError, match="check refuses the policy:\nline 7: unexpected end"):
        applier.apply(hosts("bad.test"), 1)
    assert (on_disk(tmp_path), program.reloads) == ({"a.test"}, 1)
    assert (tmp_path / DOCUMENT.lstrip("/")).read_bytes() == hosts("a.test")
    assert not (tmp_path / STAGE.lstrip("/")).exists()


def test_what_the_program_does_not_take_is_rolled_back(applier: Applier, program: Program, tmp_path: Path) -> None:
    applier.apply(hosts("a.test"), 1)
    program.broken_host = "bad.test"
    with pytest.raises(ApplyError, match="kept its old workers"):
        applier.apply(hosts("bad.test"), 1)
    assert on_disk(tmp_path) == program.serves == {"a.test"}
    assert (tmp_path / DOCUMENT.lstrip("/")).read_bytes() == hosts("a.test")
    assert not (tmp_path / APPLYING.lstrip("/")).exists()


def test_a_first_policy_that_fails_leaves_nothing(applier: Applier, program: Program, tmp_path: Path) -> None:
    program.broken_host = "bad.test"
    with pytest.raises(ApplyError):
        applier.apply(hosts("bad.test"), 1)
    assert (on_disk(tmp_path), applier.current()) == (set(), None)


def test_not_serving_in_time_is_rolled_back(
    applier: Applier, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier.apply(hosts("a.test"), 1)
    monkeypatch.setattr(program, "serving", lambda files: set(files) == {f"{POLICY}/a.test"})
    with pytest.raises(ApplyError, match=r"Program does not serve the policy after 0\.1 s"):
        applier.apply(hosts("b.test"), 0.1)
    assert on_disk(tmp_path) == {"a.test"}


class Cut(BaseException):
    """The power goes."""


def _cut_at(step: int) -> Callable[[Path, Path], Path]:
    count, real = iter(range(step, -1, -1)), Path.rename

    def rename(self: Path, target: Path) -> Path:
        if next(count) == 0:
            raise Cut
        return real(self, target)

    return rename


@pytest.mark.parametrize("step", range(4))
def test_an_interrupted_apply_is_finished_by_the_next(
    applier: Applier, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    applier.apply(hosts("a.test", "b.test"), 1)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(Path, "rename", _cut_at(step))
        applier.apply(hosts("c.test", "d.test"), 1)
    program.serves = {"unknown"}
    applier.apply(hosts("c.test", "d.test"), 1)
    assert on_disk(tmp_path) == program.serves == {"c.test", "d.test"}
    assert not (tmp_path / APPLYING.lstrip("/")).exists() or step == 0


@pytest.mark.parametrize("step", range(4))
def test_a_reboot_undoes_an_interrupted_apply(
    applier: Applier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    applier.apply(hosts("a.test", "b.test"), 1)
    with monkeypatch.context() as patch, pytest.raises(Cut):
        patch.setattr(Path, "rename", _cut_at(step))
        applier.apply(hosts("c.test", "d.test"), 1)
    applier.restore_files()
    assert on_disk(tmp_path) == {"a.test", "b.test"}


def test_two_at_once_come_one_after_the_other(applier: Applier, program: Program, tmp_path: Path) -> None:
    names = [f"h{number}.test" for number in range(8)]
    threads = [threading.Thread(target=applier.apply, args=(hosts(name), 5)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(on_disk(tmp_path)) == 1
    assert on_disk(tmp_path) == program.serves
    current = applier.current()
    assert current is not None
    assert current.raw == hosts(*program.serves)


def test_a_wrong_document_is_refused_before_anything(applier: Applier, program: Program, tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"^lab-origin\.hosts\[0\]"):
        applier.apply(hosts("a;b.test"), 1)
    assert (program.reloads, (tmp_path / POLICY.lstrip("/")).exists()) == (0, False)


def test_a_full_disk_leaves_the_previous_policy(
    applier: Applier, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    applier.apply(hosts("a.test"), 1)
    real = module.write_whole

    def full(target: Path, content: bytes, mode: int) -> None:
        if target.name == Path(DOCUMENT).name:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(target, content, mode)

    monkeypatch.setattr(module, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        applier.apply(hosts("b.test"), 1)
    current = applier.current()
    assert current is not None
    assert (on_disk(tmp_path), program.serves, current.raw) == ({"a.test"}, {"a.test"}, hosts("a.test"))


def test_drained_comes_into_force_with_the_policy_and_survives_a_boot(applier: Applier, tmp_path: Path) -> None:
    applier.apply(hosts("a.test"), 1)
    applier.apply_with(hosts("a.test"), Local(drained=True), 1)
    assert (on_disk(tmp_path), applier.local().drained) == ({"a.test", "drained"}, True)
    (tmp_path / POLICY.lstrip("/") / "drained").unlink()
    applier.restore_files()
    assert on_disk(tmp_path) == {"a.test", "drained"}


def test_a_wish_that_fails_is_not_kept(applier: Applier, program: Program, tmp_path: Path) -> None:
    applier.apply(hosts("a.test"), 1)
    program.broken_host = "drained"
    with pytest.raises(ApplyError):
        applier.apply_with(hosts("a.test"), Local(drained=True), 1)
    assert (on_disk(tmp_path), applier.local()) == ({"a.test"}, Local())


def test_reload_wakes_every_program(applier: Applier, program: Program) -> None:
    assert applier.reload(1) is None
    applier.apply(hosts("a.test"), 1)
    applier.reload(1)
    assert program.reloads == 2


def test_a_document_of_an_older_agent_is_replaced_and_never_wiped_at_boot(applier: Applier, tmp_path: Path) -> None:
    applier.apply(hosts("a.test"), 1)
    (tmp_path / DOCUMENT.lstrip("/")).write_text('{"app":"lab-origin","schema_version":0}')
    with pytest.raises(PolicyError, match="schema_version"):
        applier.restore_files()
    assert on_disk(tmp_path) == {"a.test"}
    applier.apply(hosts("b.test"), 1)
    assert on_disk(tmp_path) == {"b.test"}
