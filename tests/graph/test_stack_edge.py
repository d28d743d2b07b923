"""The stack's program of an edge by itself: picked by the spec, an edge or a pair, and refused as a whole."""

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pulumi
import pytest
import yaml

from hdinfra.testing import Recorder
from tests.graph.cloudflare_edges import ASKS, CONFIG, OUTPUTS, asked
from tests.graph.specs import ROOT
from tests.model.cloudflare_specs import EDGE, PAIR
from tests.model.legal import Data

STACKS = ROOT / "stacks"
Program = Callable[[Data], Callable[[], None]]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Program]:
    """The program of the stack `own` of a checkout in which stacks/own.yaml is this spec."""
    monkeypatch.syspath_prepend(str(STACKS))
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "of this test")
    monkeypatch.setattr("gc.freeze", lambda: None)  # this process has more to do
    shutil.copy(STACKS / "__main__.py", tmp_path)

    def of(spec: Data) -> Callable[[], None]:
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(spec))
        return lambda: _execute(tmp_path / "__main__.py")

    yield of
    for name in ("byol", "edge", "zone"):
        sys.modules.pop(name, None)


def _execute(path: Path) -> None:
    spec = importlib.util.spec_from_file_location("stack_main", path)
    assert spec
    assert spec.loader
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


@pytest.fixture
def recorder() -> Recorder:
    """Of that stack, of which nothing is deployed yet."""
    return Recorder(stack="own", config=CONFIG, outputs=OUTPUTS, invokes={ASKS: asked})


@pytest.mark.parametrize(("spec", "pairs"), [(EDGE, 0), (PAIR, 1)], ids=["edge", "pair"])
def test_a_spec_with_failover_runs_the_edge_s_program(
    program: Program, recorder: Recorder, spec: Data, pairs: int
) -> None:
    graph = recorder(program(spec))
    assert len(graph.of_type("hdinfra:index:CloudflareFailover")) == 1
    assert len(graph.of_type("hdinfra:index:FailoverPair")) == pairs
    assert set(graph.outputs) == {"status", "tunnel_tokens"}
    assert set(graph.outputs["tunnel_tokens"]) == {"paris"}


def test_a_refused_spec_registers_nothing(program: Program, recorder: Recorder) -> None:
    with pytest.raises(pulumi.RunError, match=r"own.yaml is refused; nothing was changed.\nedge.fallback"):
        recorder(program({**EDGE, "failover": {**EDGE["failover"], "fallback": None}}))
    assert recorder.failed
    assert recorder.failed.resources == ()
