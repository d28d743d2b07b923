"""One WireGuard interface: made by the kernel, or by wireguard-go where the kernel cannot, and told what differs."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .commands import Run, must, wait
from .mesh_policy import MeshMachine

PORTS = (51820, 51821)
"""Of even and odd versions; the base's firewall opens them to the peers alone."""
KEEPALIVE_SECONDS = 25  # what WireGuard's own quick start recommends: less than firewalls remember UDP for
FRESH_SECONDS = 180  # REJECT_AFTER_TIME (WireGuard's paper, 6.1): no session is older, so the peer has answered since
_TRY_SECONDS = 15.0  # three of WireGuard's own tries (REKEY_TIMEOUT is 5 s)
_START_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as it shall be. `peers` by their public keys."""

    version: int
    key: Path
    mtu: int
    own: MeshMachine
    peers: Mapping[str, MeshMachine]

    @property
    def interface(self) -> str:
        """Two versions in a row have different ones."""
        return f"hdmesh{self.version % 2}"

    @property
    def port(self) -> int:
        """Where it listens; the same at all machines."""
        return PORTS[self.version % 2]


@dataclass
class Device:
    """Brings interfaces to their links. `net` is where the kernel shows interfaces."""

    run: Run
    net: Path = Path("/sys/class/net")
    _told: dict[str, Link] = field(default_factory=dict)
    _tries: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)

    def bring(self, link: Link) -> bool:
        """Make it so; whether it was made anew, and lost its routes. ApplyError in the words of who refused."""
        name = link.interface
        made = not (self.net / name).exists()
        if made:
            self._make(name)
            self._told.pop(name, None)
        if self._told.get(name) != link:
            self._tell(name, link)
        return made

    def _tell(self, name: str, link: Link) -> None:
        must(self.run, "wg", "set", name, "listen-port", str(link.port), "private-key", str(link.key))
        must(self.run, "ip", "link", "set", "dev", name, "mtu", str(link.mtu), "up")
        for address in link.own.inner:
            must(self.run, "ip", "address", "replace", address, "dev", name, *(("nodad",) if ":" in address else ()))
        for gone in self._handshakes(name).keys() - link.peers.keys():
            must(self.run, "wg", "set", name, "peer", gone, "remove")
        before = self._told.get(name)
        for public, peer in link.peers.items():
            if before is None or before.version != link.version or before.peers.get(public) != peer:
                self._meet(link, public, peer, 0)
        self._told[name] = link

    def fresh(self, link: Link) -> frozenset[str]:
        """Public keys of the peers that have answered of late; the others are tried at their other address."""
        now = time.time()
        seen = self._handshakes(link.interface)
        fresh = frozenset(key for key, at in seen.items() if key in link.peers and now - at < FRESH_SECONDS)
        for public in link.peers.keys() - fresh:
            at, family = self._tries.get((link.interface, public), (0.0, 0))
            if time.monotonic() - at >= _TRY_SECONDS:
                self._meet(link, public, link.peers[public], 1 - family)
        return fresh

    def route(self, peer: MeshMachine, link: Link) -> None:
        """What is for that peer goes this way from now on; packets on their way are taken from either."""
        for address, own in zip(peer.inner, (link.own.inner_ipv4, link.own.inner_ipv6), strict=True):
            must(self.run, "ip", "route", "replace", address, "dev", link.interface, "src", str(own))

    def drop(self, version: int) -> None:
        """Take the interface of that version away."""
        name = f"hdmesh{version % 2}"
        self._told.pop(name, None)
        self._tries = {where: tried for where, tried in self._tries.items() if where[0] != name}
        self.run(("systemctl", "stop", f"hdinfra-mesh@{name}.service"))
        if (self.net / name).exists():
            must(self.run, "ip", "link", "delete", "dev", name)

    def _make(self, name: str) -> None:
        if self.run(("ip", "link", "add", "dev", name, "type", "wireguard")).code == 0:
            return
        unit = f"hdinfra-mesh@{name}.service"
        must(self.run, "systemctl", "restart", unit)
        wait(lambda: self.run(("wg", "show", name, "listen-port")).code == 0, _START_SECONDS)

    def _meet(self, link: Link, public: str, peer: MeshMachine, family: int) -> None:
        """IPv4 (0) or IPv6 (1) carries it: the family that answered, else each in turn, if the peer has both."""
        self._tries[link.interface, public] = (time.monotonic(), family)
        outside = f"[{peer.ipv6}]" if family and peer.ipv6 else str(peer.ipv4)
        told = ("endpoint", f"{outside}:{link.port}", "persistent-keepalive", str(KEEPALIVE_SECONDS))
        allowed = ("allowed-ips", ",".join(peer.inner))
        must(self.run, "wg", "set", link.interface, "peer", public, *told, *allowed)

    def _handshakes(self, name: str) -> dict[str, int]:
        """By public key when a peer answered last, in seconds since 1970; 0 for never."""
        lines = self.run(("wg", "show", name, "latest-handshakes")).words.splitlines()
        pairs = [line.split() for line in lines]
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}
