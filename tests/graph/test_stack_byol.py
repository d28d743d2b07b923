"""The stack's program of a BYOL Instance: picked by the spec, refused as a whole, and silent until it is licensed."""

import importlib.util
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest
import yaml

from hdinfra.licence.seats import Ledger, ledger_text
from hdinfra.testing import Recorder
from tests.graph.specs import LOCAL, ROOT
from tests.model import byol_specs as byol
from tests.model.legal import Data, setting

STACKS = ROOT / "stacks"
Program = Callable[[Data | str, str], Callable[[], None]]
ALWAYS = byol.licence(not_before=0, expires=byol.YEAR_ENDS * 2)


READ_OUTPUTS = "pulumi:pulumi:readStackOutputs"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """The program of the stack `own` of a checkout in which stacks/own.yaml is this spec, beside this licence."""
    stacks = tmp_path / "stacks"
    stacks.mkdir()
    monkeypatch.syspath_prepend(str(STACKS))
    monkeypatch.setattr("gc.freeze", lambda: None)  # this process has more to do
    shutil.copy(STACKS / "__main__.py", stacks)

    def of(spec: Data | str, licence: str) -> Callable[[], None]:
        (stacks / "own.yaml").write_text(spec if isinstance(spec, str) else yaml.safe_dump(spec))
        (stacks / "acme.licence").write_text(licence)
        return lambda: _execute(stacks / "__main__.py")

    yield of
    for name in ("byol", "edge", "zone"):
        sys.modules.pop(name, None)


@pytest.fixture
def recorder() -> Recorder:
    """Of that stack, of which nothing is deployed yet."""
    return Recorder(stack="own", invokes={READ_OUTPUTS: lambda _: {"outputs": {}}})


def _execute(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("stack_main", path)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def test_a_byol_spec_runs_the_byol_program(program: Program, recorder: Recorder) -> None:
    graph = recorder(program(byol.on_cloud(), ALWAYS))
    assert len(graph.of_type("hdinfra:index:ByolInstance")) == 1
    assert graph.of_type("hdinfra:index:Zone") == ()


def test_any_other_runs_the_zones(program: Program, recorder: Recorder) -> None:
    graph = recorder(program(LOCAL, ""))
    assert len(graph.of_type("hdinfra:index:Zone")) == 1
    assert graph.of_type("hdinfra:index:ByolInstance") == ()


@pytest.mark.parametrize(
    ("spec", "licence", "words"),
    [
        (byol.on_cloud(), byol.licence(not_before=0, expires=1), r"byol\.licence-expired"),
        (byol.on_cloud(setting("machines", 5)), ALWAYS, r"byol\.licence-count"),
        (byol.on_cloud(), "no licence", r"byol\.licence-forged"),
        (byol.on_cloud(setting("licence", "other.licence")), "", r"spec\.file"),
        (byol.installed(), ALWAYS, "hdinfra byol bundle own.yaml"),
        ("byol: [", "", r"spec\.yaml"),
    ],
    ids=["expired", "count", "forged", "no-file", "installs", "yaml"],
)
def test_what_is_refused_registers_nothing(
    program: Program, recorder: Recorder, spec: Data | str, licence: str, words: str
) -> None:
    with pytest.raises(pulumi.RunError, match=words):
        recorder(program(spec, licence))
    assert recorder.failed
    assert recorder.failed.resources == ()


@pytest.mark.parametrize(("days", "refused"), [(30, True), (0, False)])
def test_a_clock_that_was_set_back_registers_nothing_were_every_seat_taken_before(
    program: Program, recorder: Recorder, tmp_path: Path, days: int, refused: bool
) -> None:
    """Seats that stay as they are ask for nothing; their ledger remembers a later day."""
    run = program(byol.on_cloud(setting("ledger", "seats.json")), ALWAYS)
    seen = int(time.time()) + days * 86_400
    (tmp_path / "stacks" / "seats.json").write_text(ledger_text(Ledger(seen=seen)))
    if not refused:
        assert recorder(run).of_type("hdinfra:index:ByolInstance")
        return
    with pytest.raises(pulumi.RunError, match=r"byol\.licence-clock"):
        recorder(run)
    assert recorder.failed
    assert recorder.failed.resources == ()


def test_a_ledger_that_cannot_be_read_is_for_its_seats_to_name(
    program: Program, recorder: Recorder, tmp_path: Path
) -> None:
    run = program(byol.on_cloud(setting("ledger", "seats.json")), ALWAYS)
    (tmp_path / "stacks" / "seats.json").write_text("{")
    assert recorder(run).of_type("hdlicence:index:Seat")
