"""Picks the program of a stack by what its spec describes."""

import gc
from pathlib import Path

import pulumi
import zone

HERE = Path(__file__).resolve().parent


def run(stack: str) -> None:
    """Run the stack's program. A Zone is the only kind of spec so far."""
    spec = HERE / f"{stack}.yaml"
    if not spec.is_file():
        raise pulumi.RunError(f"stack `{stack}` has no spec: write stacks/{stack}.yaml, or choose a stack that has one")
    zone.run(spec, HERE / f"{stack}.lock.yaml")


# What the imports made stays to the end: collections that walk it cost as much as registering does.
gc.freeze()
run(pulumi.get_stack())
