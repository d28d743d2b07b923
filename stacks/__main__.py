"""Picks the program of a stack by what its spec describes."""

import gc
import os
from collections.abc import Callable
from pathlib import Path

import byol
import edge
import pulumi
import zone

import hdinfra.model.spec_file as specs
from hdinfra.model.failover.cloudflare_file import is_edge
from hdinfra.model.refusal import RefusedError

HERE = Path(__file__).resolve().parent


def run(stack: str) -> None:
    """Run the stack's program: a BYOL Instance's where the spec has the key `byol`, an edge's where it has `failover`
    and no `zone`, else a Zone's."""
    if order := os.environ.get(zone.ORDER):
        zone.carry_out(Path(order))
        return
    spec = HERE / f"{stack}.yaml"
    if not spec.is_file():
        raise pulumi.RunError(f"stack `{stack}` has no spec: write stacks/{stack}.yaml, or choose a stack that has one")
    if _is(specs.is_byol, spec):
        byol.run(spec)
    elif _is(is_edge, spec):
        edge.run(spec)
    else:
        zone.run(spec, HERE / f"{stack}.lock.yaml")


def _is(kind: Callable[[Path], bool], spec: Path) -> bool:
    try:
        return kind(spec)
    except RefusedError:
        return False  # the Zone's program says what is wrong with the file


# What the imports made stays to the end: collections that walk it cost as much as registering does.
gc.freeze()
run(pulumi.get_stack())
