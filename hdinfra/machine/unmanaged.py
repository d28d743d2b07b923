"""A Machine that belongs to no Zone: nobody calls it, it calls nobody, and its policy comes with it.

hdsync would idle there, report a missing control plane as a problem, and hold the code that speaks to one. So such a
Machine has hdctl alone; what it cannot do is what needs a daemon: `hdctl rollback`, and its use by others than root.
Nor are the routes of a customer's own Droplet or Linode ours to change.
"""

import json
from dataclasses import replace

from hdinfra.machine.bundle import unmanaged_bundle, unmanaged_sources
from hdinfra.machine.first_boot import FIRST_BOOT_PATH
from hdinfra.machine.machine import File, Machine, Unit
from hdinfra.machine.sources import asset
from hdinfra.model.byol_planner import ByolPlan
from hdinfra.model.plan import MachinePlan
from hdinfra.model.policy import AnyPolicy, canonical

FIRST_POLICY_PATH = "/etc/hdinfra/first-policy.json"
CODE_FOLDER = "/usr/lib/hdinfra/code"

_OF_A_ZONE = frozenset(
    {
        "/usr/lib/hdinfra/droplet",
        "/usr/lib/hdinfra/fetch",
        "/usr/lib/hdinfra/linode",
        "/usr/lib/hdinfra/previous",
        "/usr/sbin/hdsync",
        "hdinfra-droplet.service",
        "hdinfra-droplet.timer",
        "hdinfra-linode.service",
        "hdinfra-linode.timer",
        "hdsync.service",
        "hdsync-previous.service",
    }
)
_MARK = File("/etc/hdinfra/unmanaged", "No control plane: `hdctl apply FILE` brings a policy into force.\n")
_FIRST_POLICY = Unit("hdinfra-first-policy.service", content=asset("hdinfra-first-policy.service"))


def unmanaged(machine: Machine) -> Machine:
    """The same Machine without hdsync, without the way out to a management API, and with the addresses that it has."""
    return replace(
        machine,
        files=(*(file for file in machine.files if file.path not in _OF_A_ZONE), _MARK),
        units=(*(unit for unit in machine.units if unit.name not in _OF_A_ZONE), _FIRST_POLICY),
        firewall=replace(machine.firewall, api_users=()),
    )


def told_to(plan: ByolPlan, machine: MachinePlan) -> tuple[File, ...]:
    """What that Machine of a BYOL Instance is told at its first boot. No part of its description: another version of
    the code, or another address of it, makes no Machine anew."""
    if plan.code_url is None:
        return brought_along(machine.role, plan.policy)
    return sent_for(machine.role, plan.policy, plan.code_url)


def brought_along(role: str, policy: AnyPolicy) -> tuple[File, ...]:
    """What other Machines are given later: the code of `hdctl`, and the policy that counts until `hdctl apply`."""
    code = (File(f"{CODE_FOLDER}/{path}", text) for path, text in sorted(unmanaged_sources(role).items()))
    return (*code, File(FIRST_POLICY_PATH, canonical(policy)))


def sent_for(role: str, policy: AnyPolicy, code_url: str) -> tuple[File, ...]:
    """The same, but of the code its address and SHA-256 alone, and what fetches it once. boot.sh runs that where there
    is a first-boot.json, which is gone when the code is there: from then on nothing of ours asks that address."""
    bundle = unmanaged_bundle(role)
    code = {"url": f"{code_url}/{bundle.file_name}", "sha256": bundle.sha256}
    return (
        File("/usr/lib/hdinfra/fetch", asset("fetch-once"), 0o755),
        File(FIRST_BOOT_PATH, json.dumps({"code": code}, sort_keys=True) + "\n", 0o600),
        File(FIRST_POLICY_PATH, canonical(policy)),
    )
