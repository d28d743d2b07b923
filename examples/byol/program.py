"""One Instance of your own: the spec and the vendor's licence go in, and where to look comes out."""

import time
from pathlib import Path

import pulumi

import hdinfra as hd

SPEC = Path(__file__).with_name("byol.yaml")


def declare() -> hd.ByolInstance:
    """What spec or licence do not allow is said here, before anything is registered."""
    try:
        spec = hd.load_byol(SPEC)
        licence = hd.read_licence(spec, SPEC.parent)
        plan = hd.planned_byol(spec, licence, time.time(), hd.read_seen(spec, SPEC.parent))
    except hd.RefusedError as refused:
        raise pulumi.RunError(f"nothing was changed.\n{refused}") from refused
    instance = hd.ByolInstance(plan.name, hd.ByolInstanceArgs(plan=plan, licence=licence))
    pulumi.export("status", hd.status_of_byol(instance))
    pulumi.export("policy", plan.policy.model_dump(mode="json"))
    return instance
