"""A Machine that belongs to no Zone: nobody calls it, it calls nobody, and its policy comes with it.

hdsync would idle there, report a missing control plane as a problem, and hold the code that speaks to one. So such a
Machine has hdctl alone; what it cannot do is what needs a daemon: `hdctl rollback`, and its use by others than root.
Nor are the routes of a customer's own Droplet or Linode ours to change.
"""

from dataclasses import replace

from hdinfra.machine.bundle import unmanaged_sources
from hdinfra.machine.machine import File, Machine, Unit
from hdinfra.machine.sources import asset
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


def brought_along(role: str, policy: AnyPolicy) -> tuple[File, ...]:
    """What other Machines are given later: the code of `hdctl`, and the policy that counts until `hdctl apply`."""
    code = (File(f"{CODE_FOLDER}/{path}", text) for path, text in sorted(unmanaged_sources(role).items()))
    return (*code, File(FIRST_POLICY_PATH, canonical(policy)))
