"""What operators want of this one machine, whatever the policy says; it persists, and `hdctl status` shows it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from .durable import write_whole
from .policy import MODES, Policy, WafPolicy


@dataclass(frozen=True, slots=True)
class Local:
    """`modes`: host to mode, stronger than policy and its ceilings. `drained`: this machine says that it is ill, so
    that nobody sends it more, and goes on serving."""

    modes: Mapping[str, str] = field(default_factory=dict)
    drained: bool = False

    def over(self, policy: Policy) -> Policy:
        """The policy with the modes of this machine."""
        if not isinstance(policy, WafPolicy) or not self.modes:
            return policy
        return replace(policy, sites=tuple(replace(s, mode=self.modes.get(s.host, s.mode)) for s in policy.sites))


def read_local(path: Path) -> Local:
    """What was kept; nothing special where nothing can be read."""
    try:
        found = json.loads(path.read_bytes())
        modes = {str(host): mode for host, mode in found["modes"].items() if mode in MODES}
        return Local(modes, found["drained"] is True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Local()


def write_local(path: Path, local: Local) -> None:
    """Keep it."""
    write_whole(path, json.dumps(asdict(local), sort_keys=True).encode(), 0o600)
