"""The program of a stack that is a BYOL Instance: the spec, and the licence that the vendor issued, go in."""

import time
from pathlib import Path

import pulumi

import hdinfra as hd


def run(spec_file: Path) -> None:
    """Declare the spec's Instance. What is refused, by spec or licence, registers nothing."""
    try:
        spec = hd.load_byol(spec_file)
        licence = hd.read_licence(spec, spec_file.parent)
        plan = hd.planned_byol(spec, licence, time.time(), hd.read_seen(spec, spec_file.parent))
    except hd.RefusedError as refused:
        raise pulumi.RunError(f"{spec_file.name} is refused; nothing was changed.\n{refused}") from refused
    if plan.installs:
        raise pulumi.RunError(
            f"{spec_file.name} has `install: true`: its machines are installed from bundles, not by a stack.\n"
            f"fix: hdinfra byol bundle {spec_file.name} --out bundles/"
        )
    instance = hd.ByolInstance(plan.name, hd.ByolInstanceArgs(plan=plan, licence=licence))
    pulumi.export("status", hd.status_of_byol(instance))
    pulumi.export("policy", plan.policy.model_dump(mode="json"))
