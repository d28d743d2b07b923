"""The language host runs programs as the official one does, and ends when it is told to."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.conftest import EngineWorkspace

HOST = Path(__file__).parents[2] / "toolchain" / "language_host.py"
TWO = """
    import pulumi

    class Thing(pulumi.CustomResource):
        def __init__(self, name, **inputs):
            super().__init__("anything:index:Thing", name, inputs)

    first = Thing("first", size=1)
    second = Thing("second", size=2, of=first.id)
    pulumi.export("second", second.id)
    print("the program said this")
"""


def eventually(condition: Callable[[], bool], within: float, because: Callable[[], str]) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, because()
        time.sleep(0.05)


@pytest.fixture
def ours(engine_workspace: EngineWorkspace) -> EngineWorkspace:
    """An engine that finds our host first, whatever `make setup` chose on this computer."""
    bin_ = engine_workspace.folder / "bin"
    bin_.mkdir()
    (bin_ / "pulumi").hardlink_to(engine_workspace.pulumi)
    host = bin_ / "pulumi-language-python"
    host.write_text(f"#!{sys.executable}\n{HOST.read_text()}")
    host.chmod(0o755)
    engine_workspace.pulumi = bin_ / "pulumi"
    path = f"{bin_}{os.pathsep}{engine_workspace.environment['PATH']}"
    engine_workspace.environment["PATH"] = path
    return engine_workspace


def test_deploys_previews_and_destroys(ours: EngineWorkspace) -> None:
    ours.write(TWO, packages=["anything"])
    ours.create_stack()
    assert "the program said this" in ours.up()
    assert ours.resources()["second"]["inputs"] == {"size": 2, "of": "first"}
    assert ours.run("stack", "output", "second").strip() == "second"
    unchanged = ours.preview("--expect-no-changes")
    assert "3 unchanged" in unchanged
    assert "warning" not in unchanged
    ours.destroy()
    assert ours.resources() == {}
    assert [c["call"] for c in ours.calls() if c["urn"]] == ["Create", "Create", "Delete", "Delete"]


def test_runs_a_folder_named_by_main_with_its_modules_and_config(ours: EngineWorkspace) -> None:
    ours.write("import beside", main="stacks")
    program = (
        "import pulumi, os\npulumi.export('got', [pulumi.Config().require('key'), os.path.basename(os.getcwd())])\n"
    )
    (ours.project / "stacks" / "beside.py").write_text(program)
    ours.create_stack()
    ours.run("config", "set", "key", "value")
    ours.up()
    assert ours.run("stack", "output", "got", "--json").split() == ["[", '"value",', '"stacks"', "]"]


def test_shows_the_programs_own_frames_of_an_error(ours: EngineWorkspace) -> None:
    ours.write("def divide():\n    return 1 / 0\n\ndivide()\n")
    ours.create_stack()
    said = ours.preview(code=None)
    assert "ZeroDivisionError: division by zero" in said
    assert f'File "{ours.project}/__main__.py", line 2, in divide' in said
    assert "language_host" not in said
    assert "pulumi-language-python" not in said
    assert "runpy" not in said


def test_shows_a_run_error_as_it_is_worded(ours: EngineWorkspace) -> None:
    ours.write("import pulumi\nraise pulumi.RunError('the zone has one Cluster')\n")
    ours.create_stack()
    said = ours.preview(code=None)
    assert "error: the zone has one Cluster" in said
    assert said.count("the zone has one Cluster") == said.count("error: the zone has one Cluster")
    assert "Traceback" not in said


@pytest.mark.parametrize(("code", "words"), [("0", "1 to create"), ("3", "sys.exit(3)")])
def test_takes_sys_exit_by_its_code(ours: EngineWorkspace, code: str, words: str) -> None:
    ours.write(f"import sys\nsys.exit({code})\n")
    ours.create_stack()
    assert words in ours.preview(code=None)


def test_says_what_the_program_depends_on(ours: EngineWorkspace) -> None:
    ours.write("")
    ours.create_stack()
    said = ours.run("about")
    assert f"executable='{sys.executable}'" in said
    assert "pulumi" in said.partition("Dependencies")[2]


def test_interrupting_a_waiting_run_leaves_no_lock_and_no_process(ours: EngineWorkspace) -> None:
    ours.write(TWO.replace("size=1", "hang=True"), packages=["anything"])
    ours.create_stack()
    process = ours.start("up", "--yes", "--skip-preview")
    eventually(lambda: any(c["call"] == "Create" for c in ours.calls()), 60, lambda: str(ours.calls()))
    started = time.monotonic()
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    # A plugin that has to be killed costs the engine 5 s of patience and more.
    assert time.monotonic() - started < 5, said
    assert "Traceback" not in said
    assert ours.deployment().get("pending_operations") in (None, [])
    ours.write("", packages=["anything"])
    ours.up()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ends_quietly_while_the_program_hangs(ours: EngineWorkspace, number: signal.Signals) -> None:
    mark = ours.folder / "host.pid"
    ours.write(f"""
        import os, pathlib, threading
        pathlib.Path({str(mark)!r}).write_text(str(os.getpid()))
        threading.Event().wait()
    """)
    ours.create_stack()
    process = ours.start("preview")
    eventually(lambda: mark.exists() and bool(mark.read_text()), 60, lambda: "the program never began")
    os.kill(int(mark.read_text()), number)
    said, _ = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said


def test_ends_quietly_before_it_was_asked_anything() -> None:
    host = subprocess.Popen(
        [sys.executable, HOST, "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert host.stdout is not None
    assert int(host.stdout.readline()) > 0
    host.send_signal(signal.SIGINT)
    out, err = host.communicate(timeout=20)
    assert (host.returncode, out, err) == (0, "", "")
