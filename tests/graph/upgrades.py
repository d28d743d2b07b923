"""What each flip would do, what it may not do, and the record of it: tests/graph/upgrades/*.json.

.venv/bin/python -m tests.graph.upgrades     writes all of them anew; review the differences
"""

import gc
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.held import Held
from hdinfra.model.plan import MachinePlan
from hdinfra.model.refusal import RefusedError
from hdinfra.testing.credentials import dummy_credentials
from tests.engine.replacements import is_stateful
from tests.graph.bases import BASES, Base, Plan, Standing, stand
from tests.graph.preview import CREATE, DELETE, REPLACE, UPDATE, Step
from tests.graph.walk import Flipped

FOLDER = Path(__file__).with_suffix("")
COMMAND = ".venv/bin/python -m tests.graph.upgrades"
KEPT_TYPES = {"hdpolicy:index:Authority", "hdpolicy:index:Certificates", "hdpolicy:index:Policy"}
"""Beside what the replacement table calls stateful: without these no Machine is told anything."""

MACHINE_TYPES = {
    "aws:ec2/instance:Instance",
    "azure-native:compute:VirtualMachine",
    "digitalocean:index/droplet:Droplet",
    "gcp:compute/instance:Instance",
    "hcloud:index/server:Server",
    "hdlocal:index:Machine",
    "ibm:index/isInstance:IsInstance",
    "linode:index/instance:Instance",
}
_NETWORK = "a network's range is what it is: all in it stands in another network. Kept addresses and volumes stay"
_HERE = "a container's published port is fixed when it is made; only this computer's user sees the machines go"
_MESH = (
    "WireGuard and its firewall are of the base, and inside the mesh alone the edge is answered: both ends come into "
)
_MESH += "it, or leave it, together. Kept addresses and volumes stay"
_LAST_VOLUME = "the group that volumes lie in goes from the stack with the last of them; both are kept at Azure"
EXPECTED: Mapping[str, Mapping[str, str]] = {
    "azure": {"clusters[az].waivers = and volumes": _LAST_VOLUME},
    "europe": {"network.mesh = *": _MESH},
    "ibm": {"clusters[*].ipv4 = *": f"{_NETWORK}, and so do the other Clusters"},
    "google": {"network.mesh = *": _MESH},
    "india": {"network.mesh = *": _MESH},
    "local": {"network.mesh = *": _MESH, "control.publish*": _HERE},
    "dns": {"dns.publish*": _HERE},
    "mesh": {"network.mesh = *": _MESH},
    "byol": {
        "ipv4 = *": f"{_NETWORK}. A BYOL Instance is one Cluster",
        "ipv6 = *": f"{_NETWORK}. A BYOL Instance is one Cluster",
        "publish*": _HERE,
    },
}
"""Flips that break a rule in today's design, by base and label, and why that is so."""


@dataclass(frozen=True)
class Upgrade:
    """What one flip would do to a stack that is up. `refused`: rules that keep it from doing anything."""

    field: str
    label: str
    steps: tuple[Step, ...] = ()
    refused: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()


@cache
def standing_of(base: str) -> Standing:
    """That base, up; made once."""
    return stand(BASES[base])


def upgrades_of(base: Base) -> tuple[Upgrade, ...]:
    """All flips of a base, each from the same stack."""
    standing = standing_of(base.name)
    # What the imports made is walked by every collection, and registering is what they cost.
    gc.freeze()
    gc.disable()
    try:
        return tuple(_upgrade(standing, number, flip) for number, flip in enumerate(base.flips()))
    finally:
        gc.enable()


def _upgrade(standing: Standing, number: int, flip: Flipped) -> Upgrade:
    if number % 10 == 0:
        gc.collect()
    try:
        plan, steps = standing.next(flip.data)
    except RefusedError as refused:
        standing.base.plan(flip.data, Held())  # legal where it does not run yet, else the flip is no flip
        return Upgrade(flip.field, flip.label, refused=tuple(sorted({each.rule for each in refused.refusals})))
    return Upgrade(flip.field, flip.label, steps, breaks=tuple(sorted(broken(standing.plan, plan, steps))))


def broken(old: Plan, new: Plan, steps: Sequence[Step]) -> Iterator[str]:
    """What this update does that no flip may do."""
    gone = _gone(old, new)
    lost = {step.name: step for step in steps if step.deed in (REPLACE, DELETE)}
    for step in steps:
        if step.deed not in (REPLACE, DELETE) or not (is_stateful(step.type) or step.type in KEPT_TYPES):
            continue
        if not any(step.name == name or step.name.startswith(f"{name}-") for name in gone):
            yield f"{step.deed}s {step.name}, which holds state"
    machines = {step.name for step in lost.values() if step.type in MACHINE_TYPES}
    for service, names in sorted(_services(old).items()):
        if names and names <= machines and service not in gone:
            yield f"makes all Machines of {service} anew at once"


def _gone(old: Plan, new: Plan) -> set[str]:
    """Owners that the spec took away: Clusters, places, Instances and Machines, and what was asked for beside them.

    A Cluster that stands elsewhere is another one, though it is called the same.
    """
    before, after = _owners(old), _owners(new)
    return {name for name, what in before.items() if after.get(name) != what}


def _owners(plan: Plan) -> dict[str, object]:
    """Names that the names of resources start with, and what makes them what they are."""
    machines = {machine.name: _where(machine) for machine in plan.machines}
    volumes = {f"{machine.name}-volume": None for machine in plan.machines if machine.volume_gib is None}
    kept = {f"{machine.name}-volume": _where(machine) for machine in plan.machines if machine.volume_gib}
    if isinstance(plan, ByolPlan):
        return {**machines, plan.name: (plan.tenant, plan.ground and (plan.ground.provider, plan.ground.region))}
    grounds = (*plan.clusters, *(plan.edge.places if plan.edge else ()))
    standing = {ground.name: (ground.provider, ground.region) for ground in grounds}
    scopes = {f"instance-{instance.name}": instance.tenancy for instance in plan.instances}
    issuer = plan.edge.tls.issuer if plan.edge else None
    services: dict[str, object] = (
        {"edge": "edge", "edge-authority": issuer, "edge-acme-account": issuer} if plan.edge else {}
    )
    bucket = {f"{plan.bundles.bucket}-bundles": "bucket"} if plan.bundles.bucket else {}
    services |= {"dns": "dns"} if plan.dns else {}
    lab = {origin.name: origin.region for origin in plan.lab.origins}
    instances = {instance.name: instance.tenancy for instance in plan.instances}
    balancers = {f"{machine.place}-edge-balancer": "balancer" for machine in plan.machines if machine.balancer}
    return {**machines, **volumes, **kept, **balancers, **standing, **scopes, **services, **bucket, **lab, **instances}


def _where(machine: MachinePlan) -> object:
    return machine.provider, machine.region


def _services(plan: Plan) -> dict[str, set[str]]:
    """Who serves together: of them one Machine must always stand."""
    if isinstance(plan, ByolPlan):
        return {plan.name: {machine.name for machine in plan.machines}}
    return {
        **{instance.name: {machine.name for machine in instance.machines} for instance in plan.instances},
        "edge": {machine.name for machine in plan.edge.machines} if plan.edge else set(),
        "control": {machine.name for machine in plan.control.machines},
        "dns": {machine.name for machine in plan.dns.machines} if plan.dns else set(),
    }


def recorded(base: str, upgrades: Sequence[Upgrade]) -> str:
    """The text of one file: by flip what is created, updated, replaced and deleted, by type and name."""
    return json.dumps({each.label: _entry(base, each) for each in upgrades}, indent=1) + "\n"


def _entry(base: str, upgrade: Upgrade) -> dict[str, Any]:
    if upgrade.refused:
        return {"refused": list(upgrade.refused)}
    deeds = {deed: _by_type(upgrade.steps, deed) for deed in (CREATE, UPDATE, REPLACE, DELETE)}
    found: dict[str, Any] = {deed: names for deed, names in deeds.items() if names}
    if upgrade.breaks:
        found |= {"breaks": list(upgrade.breaks), "because": reason_of(base, upgrade.label)}
    return found


def reason_of(base: str, label: str) -> str:
    """Why this flip may break a rule; empty where nobody has said so."""
    return next((why for pattern, why in EXPECTED[base].items() if matches(label, pattern)), "")


def matches(label: str, pattern: str) -> bool:
    """`*` is anything; brackets are brackets."""
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), label) is not None


def _by_type(steps: Sequence[Step], deed: str) -> dict[str, str]:
    found = sorted((step.type, step.name) for step in steps if step.deed == deed)
    return {type_: " ".join(name for _, name in each) for type_, each in groupby(found, itemgetter(0))}


def write() -> None:
    """Every base's file anew."""
    FOLDER.mkdir(exist_ok=True)
    for base in BASES.values():
        (FOLDER / f"{base.name}.json").write_text(recorded(base.name, upgrades_of(base)))


if __name__ == "__main__":
    os.environ.update(dummy_credentials("of this record"))
    write()
