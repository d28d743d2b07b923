"""Keeps this machine in the mesh, and its keys as new as policy says, without a moment in which a peer is not reached.

Invariant: a peer's route leads to an interface whose keys it has answered to, if there is one. While keys change there
are two interfaces; the older one goes when this machine and all its peers have said that they do without it. Whatever
fails is tried again at the next step, so that every step may be cut off.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .commands import ApplyError
from .durable import write_whole
from .mesh_keys import OwnKeys, PeerKeys
from .mesh_policy import MeshMachine, MeshPolicy
from .paths import MESH
from .problems import Problems, log
from .wireguard import Device, Link

_STEP_SECONDS = 0.5
_SETTLED_SECONDS = 2.0  # a look costs a process, and nothing is due
_ABOUT = "mesh"


@dataclass(frozen=True, slots=True)
class State:
    """How the mesh is from here. `peers`: by name the version that leads there, 0 while none does; `silent`: those that
    have not answered of late."""

    version: int
    public: str
    switched: bool
    peers: Mapping[str, int]
    silent: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """For people."""
        return {**self.report(), "peers": dict(self.peers)}

    def report(self) -> dict[str, Any]:
        """For the API machines, which pass on the key and whether the one before is needed."""
        return {
            "version": self.version,
            "public": self.public,
            "switched": self.switched,
            "silent": list(self.silent),
        }


class Mesh:
    """`policy` gives the mesh of the policy in force, None where it has none. One thread steps, any may ask."""

    def __init__(  # noqa: PLR0913, PLR0917  what it reads, what it drives, and where
        self,
        machine: str,
        policy: Callable[[], MeshPolicy | None],
        keys: OwnKeys,
        heard: PeerKeys,
        device: Device,
        root: Path,
        problems: Problems,
    ) -> None:
        self.state: State | None = None
        self._machine = machine
        self._policy = policy
        self._keys = keys
        self._heard = heard
        self._device = device
        self._carrying_path = root / MESH.lstrip("/") / "carrying.json"
        self._problems = problems
        self._routes: dict[str, tuple[MeshMachine, Link]] = {}
        self._carrying = self._kept()
        """The version that all peers have, by which they are reached while a newer one is on its way; 0 before any."""

    def run(self, stopping: threading.Event) -> None:
        """Step until told to stop."""
        while not stopping.is_set():
            self.step()
            stopping.wait(_SETTLED_SECONDS if self._settled() else _STEP_SECONDS)

    def step(self) -> None:
        """One look at policy, keys and peers, and what follows from it."""
        try:
            policy = self._policy()
            own = next((one for one in policy.members if one.name == self._machine), None) if policy else None
            if policy and own:
                self._keep(policy, own)
            else:
                self._leave()
        except (ApplyError, OSError, ValueError) as error:
            self._problems.say(_ABOUT, str(error))
        else:
            self._problems.over(_ABOUT)

    def _settled(self) -> bool:
        state = self.state
        return state is None or (state.version == self._carrying and state.switched and not state.silent)

    def _keep(self, policy: MeshPolicy, own: MeshMachine) -> None:
        peers = [peer for peer in policy.peers if peer.place != own.place]
        if not self._carrying:
            self._carry(policy.version)
        versions = [policy.version]
        if self._carrying != policy.version and (self._carrying - policy.version) % 2:
            versions.insert(0, self._carrying)
        links = [self._link(version, policy, own, peers) for version in versions]
        fresh: dict[int, frozenset[str]] = {}
        for link in links:
            if self._device.bring(link):
                self._routes = {name: one for name, one in self._routes.items() if one[1].version != link.version}
            fresh[link.version] = self._device.fresh(link)
        leads = {peer.name: self._lead(peer, links, fresh) for peer in peers}
        answered = {peer.name for link in links for key, peer in link.peers.items() if key in fresh[link.version]}
        switched = all(version == policy.version for version in leads.values())
        silent = tuple(sorted(leads.keys() - answered))
        self.state = State(policy.version, self._keys.public(policy.version), switched, leads, silent)
        if switched and self._carrying != policy.version and self._all_have(policy.version, peers):
            self._retire(policy.version)

    def _link(self, version: int, policy: MeshPolicy, own: MeshMachine, peers: list[MeshMachine]) -> Link:
        known = {key.public: peer for peer in peers if (key := self._heard.of(peer.name, version))}
        return Link(version, self._keys.path(version), policy.mtu, own, known)

    def _lead(self, peer: MeshMachine, links: list[Link], fresh: Mapping[int, frozenset[str]]) -> int:
        """Which version leads to that peer: the newest that it has answered to, else the oldest whose key is known."""
        having = [(link, key) for link in links for key, one in link.peers.items() if one.name == peer.name]
        if not having:
            return 0
        answered = [link for link, key in having if key in fresh[link.version]]
        before = self._routes.get(peer.name)
        if answered:
            link = answered[-1]
        else:
            link = before[1] if before and before[1].version in {one.version for one in links} else having[0][0]
        if before is None or before[0] != peer or before[1].version != link.version:
            self._device.route(peer, link)
            self._routes[peer.name] = (peer, link)
        return link.version

    def _all_have(self, version: int, peers: list[MeshMachine]) -> bool:
        heard = [self._heard.of(peer.name, version) for peer in peers]
        return all(key is not None and key.switched for key in heard)

    def _retire(self, version: int) -> None:
        log(f"mesh: all peers have version {version}; the keys of version {self._carrying} are gone")
        if (self._carrying - version) % 2:
            self._device.drop(self._carrying)
        self._keys.forget(keep=(version,))
        self._carry(version)

    def _leave(self) -> None:
        """Policy has no mesh (any more) for this machine."""
        if self.state:
            for version in {self.state.version, self._carrying}:
                self._device.drop(version)
        self.state = None
        self._routes = {}

    def _carry(self, version: int) -> None:
        self._carrying_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_whole(self._carrying_path, json.dumps(version).encode(), 0o600)
        self._carrying = version

    def _kept(self) -> int:
        try:
            found = json.loads(self._carrying_path.read_bytes())
        except (OSError, ValueError):
            return 0
        return found if isinstance(found, int) else 0
