"""Looks at this machine from inside: programs, and sites as a visitor gets them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .applier import Applier
from .commands import Run
from .policy import Document, LoadBalancerPolicy, WafPolicy
from .probation import Look
from .services import status_of

_BUDGET_SECONDS = 0.5
_PATIENCE_SECONDS = 3
"""Longer than a site's usual deadline of 2 s, so that a slow answer of the origin's is told from none."""
_LIVES_SECONDS = 1.0
"""Between two questions to systemd: each starts a process."""


@dataclass
class Eyes:
    """`port`: where this machine serves sites. Many sites are asked in turns, as many a look as its time allows."""

    applier: Applier
    run: Run
    port: int = 80
    _turn: int = 0
    _lives_asked: float = float("-inf")

    def look(self, document: Document, first: Iterable[str] = ()) -> Look:
        """One look; the sites of `first` are asked before others."""
        programs = self.applier.programs(document)
        return Look(programs, self._sites(site_paths(document), first, _BUDGET_SECONDS), self._lives(programs))

    def all_sites(self, document: Document, seconds: float) -> Mapping[str, int]:
        """As many sites as that time allows."""
        return self._sites(site_paths(document), (), seconds)

    def _sites(self, paths: Mapping[str, str], first: Iterable[str], seconds: float) -> dict[str, int]:
        deadline, found = time.monotonic() + seconds, dict[str, int]()
        for host in self._in_turn(list(paths), [host for host in first if host in paths]):
            if found and time.monotonic() >= deadline:
                break
            found[host] = status_of(self.port, paths[host], host, _PATIENCE_SECONDS)
        self._turn += len(found)
        return found

    def _in_turn(self, hosts: list[str], first: list[str]) -> list[str]:
        start = self._turn % len(hosts) if hosts else 0
        return list(dict.fromkeys([*first, *hosts[start:], *hosts[:start]]))

    def _lives(self, units: Iterable[str]) -> dict[str, str]:
        if time.monotonic() - self._lives_asked < _LIVES_SECONDS:
            return {}
        self._lives_asked = time.monotonic()
        return {unit: life for unit in units if "." in unit and (life := _life(self.run, unit))}


def site_paths(document: Document) -> dict[str, str]:
    """The health path of every site that this machine answers for."""
    match document.policy:
        case WafPolicy(sites=sites):
            return {site.host: site.health_path for site in sites}
        case LoadBalancerPolicy(sites=edge_sites):
            return {site.host: site.health_path for site in edge_sites}
    return {}


def _life(run: Run, unit: str) -> str:
    """Empty when systemd cannot say: then nobody is accused."""
    # Tenants' programs come and go as they are asked, so only a start after a crash tells something.
    wanted = ("-p", "NRestarts") if "*" in unit else ("-p", "NRestarts", "-p", "MainPID")
    result = run(("systemctl", "show", "--value", *wanted, unit))
    words = [] if result.code else result.words.split()
    return str(sum(map(int, words))) if "*" in unit and words else " ".join(words)
