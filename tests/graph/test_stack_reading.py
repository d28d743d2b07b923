"""The stack's program reads what is deployed while the engine may be writing it."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pulumi
import pytest

_PROGRAM = Path(__file__).parents[2] / "stacks" / "zone.py"


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """stacks/zone.py of a stack that is called `org/hdinfra/local`."""
    spec = importlib.util.spec_from_file_location("stack_zone", _PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in (("organization", "org"), ("project", "hdinfra"), ("stack", "local")):
        monkeypatch.setattr(pulumi, f"get_{name}", lambda value=value: value)
    monkeypatch.setattr(module, "_AGAIN_SECONDS", 0)
    return module


def answering(monkeypatch: pytest.MonkeyPatch, *errors: str) -> list[dict[str, str]]:
    """An engine that refuses with these words in turn, then answers; what it was asked is kept."""
    asked: list[dict[str, str]] = []

    def invoke(_token: str, given: dict[str, str]) -> SimpleNamespace:
        asked.append(given)
        if len(asked) <= len(errors):
            raise Exception(errors[len(asked) - 1])  # as the SDK does
        return SimpleNamespace(value={"outputs": {"held": {"serial": 3}}})

    monkeypatch.setattr(pulumi.runtime, "invoke", invoke)
    return asked


def test_a_state_that_is_half_written_is_read_again(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, *["failed to load checkpoint: EOF"] * 2)
    assert program.deployed_outputs() == {"held": {"serial": 3}}
    assert asked == [{"name": "org/hdinfra/local"}] * 3


def test_a_state_that_stays_unreadable_is_an_error(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, *["failed to load checkpoint: EOF"] * 50)
    with pytest.raises(Exception, match="failed to load checkpoint"):
        program.deployed_outputs()
    assert len(asked) == program._READS


def test_any_other_refusal_is_not_asked_again(program: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = answering(monkeypatch, "no such stack")
    with pytest.raises(Exception, match="no such stack"):
        program.deployed_outputs()
    assert len(asked) == 1
