"""How the engine's command line is driven: events, Ctrl-C once, dead locks. A small program plays the engine."""

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hdinfra.operate.engine import Deployed, Engine, Run, changed_by, clear_dead_lock, judged
from hdinfra.operate.errors import EngineError, InterruptedByUser
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.workspace import Workspace

STAND_IN = """#!{python}
import json, os, signal, sys, pathlib
log = pathlib.Path(os.environ["STAND_IN"])
with log.open("a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
verb = sys.argv[1]
if verb == "cancel":
    for lock in pathlib.Path(os.environ["STAND_IN_LOCKS"]).glob("*.json"):
        lock.unlink()
if verb == "stack":
    sys.stderr.write("error: no stack named 'local' found\\n")
    sys.exit(255)
if verb == "up" and "STAND_IN_SAYS" in os.environ:
    print(os.environ["STAND_IN_SAYS"])
    sys.exit(255)
if verb in ("up", "destroy"):
    events = open(sys.argv[sys.argv.index("--event-log") + 1], "a")
    def tell(**event):
        events.write(json.dumps(event) + "\\n")
        events.flush()
    tell(diagnosticEvent=dict(severity="error", message="<{{%reset%}}>port 8080 is busy<{{%reset%}}>\\n"))
    tell(summaryEvent=dict(resourceChanges=dict(create=3)))
    if verb == "destroy":
        def interrupted(*_):
            with log.open("a") as file:
                file.write('"SIGINT"\\n')
            sys.exit(1)
        signal.signal(signal.SIGINT, interrupted)
        tell(ready=True)
        while True:
            signal.pause()
    sys.exit(int(os.environ.get("STAND_IN_CODE", "0")))
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    """A workspace whose `pulumi` is the stand-in."""
    root = tmp_path / "project"
    (root / "stacks").mkdir(parents=True)
    (root / "Pulumi.yaml").write_text("name: hdinfra\nruntime: python\n")
    binary = root / "bin" / "pulumi"
    binary.parent.mkdir()
    binary.write_text(STAND_IN.format(python=sys.executable))
    binary.chmod(binary.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(sys, "executable", str(binary.parent / "python"))
    outer = {"PATH": "/usr/bin:/bin", "STAND_IN": str(root / "calls"), "STAND_IN_LOCKS": str(locks(root))}
    engine = Engine(Workspace(root, "local", outer))
    engine.workspace.prepare()
    return engine


def locks(root: Path) -> Path:
    """Where the file backend keeps this stack's locks."""
    return root / ".state" / "backend" / ".pulumi" / "locks" / "organization" / "hdinfra" / "local"


def lock(engine: Engine, pid: int, host: str | None = None) -> None:
    """A lock as the file backend writes it."""
    folder = locks(engine.workspace.root)
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"pid": pid, "hostname": host or os.uname().nodename, "username": "x"})
    (folder / f"{pid}.json").write_text(text)


def calls(engine: Engine) -> list[Any]:
    """What the stand-in was asked."""
    path = engine.workspace.root / "calls"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def dead_process() -> int:
    """The id of a process that is gone."""
    gone = subprocess.Popen(["/bin/true"])
    gone.wait(10)
    return gone.pid


def test_a_stack_that_does_not_exist_is_no_error(engine: Engine) -> None:
    assert engine.deployed() is None


def test_events_reach_the_listener_and_errors_are_told_without_colours(engine: Engine) -> None:
    seen: list[Mapping[str, Any]] = []
    run = engine.stream("up", "--refresh", on_event=seen.append)
    assert [next(iter(event)) for event in seen] == ["diagnosticEvent", "summaryEvent"]
    assert run.complaints == ["port 8080 is busy"]
    assert run.changes == {"create": 3}
    assert "--refresh" in calls(engine)[0]
    assert list((engine.workspace.state / "logs").glob("*.events")) == []


def test_ctrl_c_reaches_the_engine_once_and_its_end_is_awaited(engine: Engine) -> None:
    # A shell that starts us in the background has SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    ready = threading.Event()

    def on_event(event: Mapping[str, Any]) -> None:
        if "ready" in event and not ready.is_set():
            ready.set()
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT)).start()

    run = engine.stream("destroy", on_event=on_event)
    assert run.interrupted
    assert calls(engine).count("SIGINT") == 1
    with pytest.raises(InterruptedByUser) as told:
        judged(run, "destroy", engine.workspace)
    assert told.value.exit_code == 130


@pytest.mark.parametrize("asked", ["poll", "wait"])
def test_ctrl_c_while_the_engine_is_asked_for_its_end_leaves_it_to_nobody(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    real, came = getattr(subprocess.Popen, asked), threading.Event()

    def interrupted(process: Any, *more: Any) -> Any:
        if not came.is_set():
            came.set()
            raise KeyboardInterrupt
        return real(process, *more)

    monkeypatch.setattr(subprocess.Popen, asked, interrupted)
    try:
        run = engine.stream("up", on_event=lambda _: None)
    except KeyboardInterrupt:
        pytest.fail("nobody waits for the engine any more")
    assert run.interrupted == came.is_set()


def test_a_run_that_ended_badly_tells_the_engines_words_and_what_to_do(engine: Engine) -> None:
    with pytest.raises(EngineError) as told:
        judged(Run(code=1, complaints=["port 8080 is busy", "port 8080 is busy"]), "up", engine.workspace)
    assert str(told.value).count("port 8080 is busy") == 1
    assert "hdinfra up --stack local" in told.value.retry


def test_a_lock_whose_process_is_gone_is_cleared(engine: Engine) -> None:
    lock(engine, dead_process())
    said: list[str] = []
    clear_dead_lock(engine, said.append)
    assert [call[0] for call in calls(engine)] == ["cancel"]
    assert said == ["clearing the lock that a killed run left"]


def test_a_lock_whose_process_was_killed_and_not_yet_taken_notice_of_is_cleared(engine: Engine) -> None:
    """As in a container without an init: its number is still taken."""
    with subprocess.Popen(["true"], stdin=subprocess.DEVNULL) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        lock(engine, ended.pid)
        clear_dead_lock(engine, lambda _: None, wait_seconds=0)
    assert [call[0] for call in calls(engine)] == ["cancel"]


def test_a_lock_whose_process_lives_is_left_alone(engine: Engine) -> None:
    lock(engine, os.getpid())
    with pytest.raises(EngineError, match=f"process {os.getpid()}"):
        clear_dead_lock(engine, lambda _: None, wait_seconds=0.2)
    assert calls(engine) == []


def test_another_computers_lock_is_left_alone_and_the_way_out_is_told(engine: Engine) -> None:
    pid = dead_process()
    lock(engine, pid, host="elsewhere")
    path = locks(engine.workspace.root) / f"{pid}.json"
    holder = f"process {pid} of x@elsewhere (lock {path})"
    assert changed_by(engine.workspace) == holder
    with pytest.raises(EngineError) as told:
        clear_dead_lock(engine, lambda _: None, wait_seconds=0.2)
    assert holder in told.value.message
    assert "`pulumi cancel --yes --stack local`" in told.value.retry and calls(engine) == []


IN_A_BUCKET = """error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or \
delete the lock file with `pulumi cancel`.
  s3://state/.pulumi/locks/organization/hdinfra/local/1.json: created by ci@runner (pid 7) at 2026-11-30T06:00:00Z
"""
IN_PULUMI_CLOUD = """Updating (local)

error: [409] Conflict: Another update is currently in progress.
"""


@pytest.mark.parametrize(
    ("log", "said"), [(IN_A_BUCKET, "created by ci@runner (pid 7)"), (IN_PULUMI_CLOUD, "[409] Conflict")]
)
def test_an_engine_that_finds_the_stack_locked_is_understood(engine: Engine, log: str, said: str) -> None:
    run = Engine(engine.workspace, {"STAND_IN_SAYS": log}).stream("up", on_event=lambda _: None)
    assert run.code != 0 and said in run.locked and "\n" not in run.locked
    other = Engine(engine.workspace, {"STAND_IN_SAYS": "error: no credentials"}).stream("up", on_event=lambda _: None)
    assert other.code != 0 and other.locked == ""


def test_a_run_that_did_something_was_not_locked(engine: Engine) -> None:
    run = Engine(engine.workspace, {"STAND_IN_CODE": "1"}).stream("up", on_event=lambda _: None)
    assert run.code == 1 and run.locked == ""


def test_a_living_run_is_waited_for(engine: Engine) -> None:
    lock(engine, os.getpid())
    path = locks(engine.workspace.root) / f"{os.getpid()}.json"
    threading.Timer(0.3, path.unlink).start()
    clear_dead_lock(engine, lambda _: None, wait_seconds=10)
    assert calls(engine) == []


def test_pending_operations_are_dropped_and_all_else_stays() -> None:
    raw = {"version": 3, "deployment": {"resources": [{"urn": "u"}], "pending_operations": [{"type": "creating"}]}}
    deployed = Deployed(raw)
    assert len(deployed.pending) == 1
    assert deployed.without_pending() == {"version": 3, "deployment": {"resources": [{"urn": "u"}]}}


def test_seconds_until_gives_up_at_the_limit() -> None:
    assert seconds_until(lambda: True, within=1) == pytest.approx(0, abs=0.05)
    assert seconds_until(lambda: False, within=0.2) is None
