"""One Instance of your own: the spec and the vendor's licence go in, and where to look comes out."""

import time
from pathlib import Path

import pulumi

import hdinfra as hd

SPEC = Path(__file__).with_name("byol.yaml")


def declare(now: float | None = None) -> hd.ByolInstance:
    """Every refusal, the licence's too, happens in `planned_byol`; what follows only declares."""
    spec = hd.load_byol(SPEC)
    licence = hd.read_licence(spec, SPEC.parent)
    plan = hd.planned_byol(spec, licence, now or time.time())
    instance = hd.ByolInstance(plan.name, hd.ByolInstanceArgs(plan=plan, licence=licence))
    pulumi.export("status", hd.status_of_byol(instance))
    pulumi.export("policy", plan.policy.model_dump(mode="json"))
    return instance
