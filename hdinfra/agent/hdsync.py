"""The daemon on every machine: fetches policy from any API machine, keeps the highest good version in force, reports.

One thread applies, and it alone; a pair of threads talks with each API machine; one keeps the certificate; the door
answers `hdctl`. Without any API machine, the last policy is served on.
"""

import os
import signal
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import look, power_events
from .applier import Applier
from .commands import Run, run
from .commissions import Commissions, Deeds
from .door import Door
from .endpoints import Endpoints
from .eyes import Eyes
from .first_boot import FirstBoot, read_first_boot
from .health import Seen
from .health_policy import HealthPolicy
from .health_watch import HealthWatch
from .keeper import Keeper
from .latch import boot_of
from .link import Endpoint
from .mesh import Mesh
from .mesh_keys import OwnKeys, PeerKeys
from .mesh_policy import MeshPolicy
from .papers import Papers
from .parcels import Parcels
from .paths import DOOR
from .policy import LoadBalancerPolicy, Policy, WafPolicy
from .problems import Problems
from .raid_watch import RaidWatch
from .renewal import Renewal
from .state import Memory
from .talk import Reports, Talk, Talks
from .versions import Opened, Trust
from .wireguard import Device

if TYPE_CHECKING:
    from .helm import Helm

_TICK_SECONDS = 1.0
_WATCHING_SECONDS = 0.2
_LONGEST_REASON = 2_000
_OF_EDGES = HealthPolicy()


class Daemon:
    """Everything under one `root`; `port` is where this machine serves sites."""

    def __init__(self, root: Path = Path("/"), run: Run = run, port: int = 80) -> None:
        self.problems = Problems()
        self.reports = Reports()
        self.deeds = Deeds()
        self.stopping = threading.Event()
        self.applier = Applier(run, root)
        self._root = root
        self._run = run
        self._boot = self._told()
        trust = self._boot.trust if self._boot else Trust("", "", "")
        first = self._boot.policy if self._boot else None
        self.keeper = Keeper(self.applier, Memory(root, trust), Eyes(self.applier, run, port), self.problems, first)
        self.parcels = Parcels(root, trust, run, self.problems)
        self.health = HealthWatch(root, boot_of(Path("/")), self.problems)
        self._raid = RaidWatch(root, self.problems)
        self.peer_keys = PeerKeys(root, trust, self.problems)
        self.mesh = self._mesh(trust)
        self.papers: Papers | None = None
        self.talks: Talks | None = None
        if self._boot:
            self.papers, self.talks = self._plane(self._boot)
        self._renewal = Renewal(self._boot, root, run, self.problems) if self._boot else None
        self.helm: Helm | None = None
        self._batteries: frozenset[str] = frozenset()
        self._behind: frozenset[str] = frozenset()

    def serve(self) -> None:
        """Until told to stop, or until other code of ours shall run."""
        told = {
            "status": self.status,
            "health": lambda: self.health.told,
            "latch release": lambda: dict(self.deeds.ask(self.health.release)),
        }
        commissions = Commissions(self.applier, self.keeper, self.deeds, self._run, told)
        door = Door(self._root / DOOR.lstrip("/"), commissions)
        door.open()
        self._tidy()
        if self._renewal:
            self._renewal.sweep()
        if self.papers:
            threading.Thread(target=self.papers.run, args=(self.stopping,), name="papers", daemon=True).start()
        threading.Thread(target=self.mesh.run, args=(self.stopping,), name="mesh", daemon=True).start()
        try:
            while not self.stopping.is_set() and not self._is_outdated():
                if self.talks:
                    self.talks.keep()
                self._tidy()
                self.deeds.do_next(_WATCHING_SECONDS if self.keeper.on_probation else _TICK_SECONDS)
        finally:
            self.stopping.set()
            if self.talks:
                self.talks.end()
            door.shutdown()
            door.server_close()

    def stop(self, *_: object) -> None:
        """End soon; fit for a signal."""
        self.stopping.set()
        self.deeds.put(lambda: None)

    def status(self) -> dict[str, Any]:
        """How things are, for people on this machine."""
        number, settings = self.keeper.order
        return {
            **look.status(self.applier),
            "number": number,
            "settings": settings,
            "failed": self._failed(),
            "problems": self.problems.texts(),
            "certificate_ends": self.papers.ends_at if self.papers else None,
            "seen": self.talks.seen() if self.talks else {},
            **({"mesh": state.told()} if (state := self.mesh.state) else {}),
            **({"failover": steered} if self.helm and (steered := self.helm.told) else {}),
        }

    def report(self) -> dict[str, Any]:
        """How things are, for the API machines."""
        document, local = look.current(self.applier), self.applier.local()
        number, settings = self.keeper.order
        return {
            "number": number,
            "settings": settings,
            "digest": document.digest if document else "",
            "serving": not self.keeper.in_doubt and look.serving(self.applier, document),
            "failed": self._failed(),
            "drained": local.drained,
            "overrides": dict(local.modes),
            "code": self._renewal.code(self.keeper.wanted) if self._renewal else "",
            "problems": self.problems.texts(),
            **({"certificates": self.parcels.digest} if self.parcels.digest else {}),
            **({"profile": found} if (found := look.profile(self._root)) else {}),
            **({"mesh": state.report()} if (state := self.mesh.state) else {}),
            **({"failover": {"chosen": steered["chosen"]}} if self.helm and (steered := self.helm.told) else {}),
            **({"clusters": seen} if (seen := look.clusters(document)) else {}),
        }

    def _is_outdated(self) -> bool:
        """Other code is taken before the policy that comes with it, which the old code might not understand."""
        if self._renewal is None or self.keeper.on_probation:
            return False
        return self._renewal.taken(self.keeper.wanted)

    def _tidy(self) -> None:
        try:
            self.keeper.step()
            self._raid.step()
            self._batteries = power_events.show(self._root, self.problems, self._batteries)
            self._name_tenants()
            report = self.report()
            self.reports.put(report)
            self._look(serving=report["serving"])
        except Exception as error:
            self.problems.say("hdsync", f"{type(error).__name__}: {error}")
        else:
            self.problems.over("hdsync")

    def _name_tenants(self) -> None:
        """Whose programs did not take their files: nobody else's do without theirs for it."""
        found = look.behind(self._root)
        for key, reason in found.items():
            self.problems.say(f"tenant {key}", reason)
        for key in self._behind - found.keys():
            self.problems.over(f"tenant {key}")
        self._behind = frozenset(found)

    def _look(self, *, serving: bool) -> None:
        """Whether this machine may say that it serves; a machine that cannot be looked at says so after a while."""
        document = look.current(self.applier)
        if document and isinstance(document.policy, LoadBalancerPolicy):
            self._steer(document.policy)
        bounds = _bounds(document.policy if document else None)
        if bounds is None:
            self.health.nothing()
            return
        failed, policy = self.keeper.failed(), document.policy if document else None
        seen = Seen(
            app=document.app if document else None,
            serving=serving or self.keeper.in_doubt,
            waiting=self.keeper.wanted is not self.keeper.current,
            in_doubt=self.keeper.in_doubt,
            failed=(failed.reason or "")[:_LONGEST_REASON] if failed else None,
            drained=self.applier.local().drained,
            disk_free_percent=self.health.disk_free_percent(),
            load=self.health.load(),
            writes=self.health.writes(bounds),
            silent_seconds=self.health.silent_seconds(bounds),
            unserved=look.unserved(policy) if isinstance(policy, LoadBalancerPolicy) else (),
        )
        self.health.step(seen, bounds)

    def _steer(self, policy: LoadBalancerPolicy) -> None:
        if self.helm is None and policy.failover:
            from .helm import Helm  # noqa: PLC0415  an edge with pools alone has its loop, and the memory for it

            self.helm = Helm(self._root, self.problems)
            threading.Thread(target=self.helm.run, args=(self.stopping,), name="helm", daemon=True).start()
        if self.helm:
            self.helm.follow(policy)

    def _told(self) -> FirstBoot | None:
        try:
            found = read_first_boot(self._root)
        except (OSError, ValueError) as error:
            self.problems.say("control plane", f"what the first boot was told cannot be read: {error}")
            return None
        if found is None:
            self.problems.say("control plane", "none was named at first boot")
        return found

    def _plane(self, boot: FirstBoot) -> tuple[Papers, Talks]:
        endpoints = Endpoints(boot.endpoints, self._root, self.problems)
        papers = Papers(boot, endpoints, self._root, self.problems)

        own = (self.parcels, self._hand_over, self.peer_keys.hear)

        def talk(to: Endpoint) -> Talk:
            return Talk(to, endpoints, papers, boot.trust, self.problems, self.reports, self._deliver, *own)

        return papers, Talks(endpoints, talk)

    def _mesh(self, trust: Trust) -> Mesh:
        device = Device(self._run)
        own = OwnKeys(self._root)
        return Mesh(trust.machine, self._mesh_policy, own, self.peer_keys, device, self._root, self.problems)

    def _mesh_policy(self) -> MeshPolicy | None:
        document = look.current(self.applier)
        policy = document.policy if document else None
        return policy.mesh if isinstance(policy, WafPolicy | LoadBalancerPolicy) else None

    def _deliver(self, api: str, offer: Opened) -> None:
        self.deeds.put(lambda: self.keeper.offer(api, offer))

    def _hand_over(self, texts: list[str]) -> None:
        self.deeds.put(lambda: self.parcels.take(texts))

    def _failed(self) -> Mapping[str, Any] | None:
        bad = self.keeper.failed()
        if bad is None:
            return None
        return {"number": bad.number, "settings": bad.settings, "reason": (bad.reason or "")[:_LONGEST_REASON]}


def _bounds(policy: Policy | None) -> HealthPolicy | None:
    """What counts here; None where nobody asks for this machine's health."""
    match policy:
        case WafPolicy(health=health):
            return health
        case LoadBalancerPolicy():
            return _OF_EDGES
    return None


def main() -> int:
    """Serve until systemd says stop."""
    os.umask(0o022)
    daemon = Daemon()
    signal.signal(signal.SIGTERM, daemon.stop)
    signal.signal(signal.SIGINT, daemon.stop)
    daemon.serve()
    return 0
