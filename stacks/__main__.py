"""Picks the program of a stack by what its spec describes."""

import gc
from pathlib import Path

import byol
import pulumi
import zone

import hdinfra.model.spec_file as specs
from hdinfra.model.refusal import RefusedError

HERE = Path(__file__).resolve().parent


def run(stack: str) -> None:
    """Run the stack's program: a BYOL Instance's where the spec has the key `byol`, else a Zone's."""
    spec = HERE / f"{stack}.yaml"
    if not spec.is_file():
        raise pulumi.RunError(f"stack `{stack}` has no spec: write stacks/{stack}.yaml, or choose a stack that has one")
    if _is_byol(spec):
        byol.run(spec)
    else:
        zone.run(spec, HERE / f"{stack}.lock.yaml")


def _is_byol(spec: Path) -> bool:
    try:
        return specs.is_byol(spec)
    except RefusedError:
        return False  # the Zone's program says what is wrong with the file


# What the imports made stays to the end: collections that walk it cost as much as registering does.
gc.freeze()
run(pulumi.get_stack())
