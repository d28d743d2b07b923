"""The frame of every drill: a Zone that is well, load, a fault that heals in the end, and what was found."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from hdinfra.model.plan import ZonePlan
from hdinfra.model.zone_map.zone_map import MapMachine, State, ZoneMap, map_of, with_states
from hdinfra.operate.containers import open_containers
from hdinfra.operate.control import Control, control_of
from hdinfra.operate.decide import decide
from hdinfra.operate.drill import Zone, first_number, ledgers, must_have_sites
from hdinfra.operate.drills.bounds import Drill
from hdinfra.operate.drills.finding import Finding, of_traffic
from hdinfra.operate.drills.record import Record, Views
from hdinfra.operate.drills.timeline import Counts, timeline_of
from hdinfra.operate.engine import Deployed, Engine
from hdinfra.operate.errors import NotServingError, WorkspaceError
from hdinfra.operate.faults import fault_of
from hdinfra.operate.graph import seen_map
from hdinfra.operate.how import How
from hdinfra.operate.load import Load, Shape
from hdinfra.operate.progress import Progress
from hdinfra.operate.report import ledger_of, traffic_of
from hdinfra.operate.status import declared_of, look
from hdinfra.operate.views import EdgeViews
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.workspace import Workspace

LONGEST_SECONDS = 1800.0
"""Of load: a drill that takes longer has its own limits broken already."""
_WELL_SECONDS = 90.0  # neighbours of a machine that was just made anew may look for it at its old place for 45 s


@dataclass(frozen=True, slots=True)
class Order:
    """A drill as it was ordered. `seconds`: how long what is broken stays so. `at`: the Cluster or place to break,
    None for the first that has anything to lose."""

    rate: int = 200
    seconds: float = 10
    at: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a play brings home: what was broken this time, measures beside those of the traffic, whose requests count,
    and limits that only this Zone tells."""

    about: str
    measured: Mapping[str, float | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    counts: Counts = lambda _: True
    limits: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Stage:
    """A running Zone as one drill sees it; read anew for each drill, since drills may change what is deployed."""

    order: Order
    workspace: Workspace
    zone: Zone
    plan: ZonePlan
    deployed: Deployed | None
    views: EdgeViews
    record: Record
    talk: Progress

    def say(self, text: str) -> None:
        """One line to whoever watches the drill."""
        self.talk.say(text)

    def renew(self) -> None:
        """Read what is deployed now; what the edges see and what was kept go on."""
        self.deployed, self.zone, self.plan = _read(self.workspace)
        self.record.photographer = partial(glimpse, map_of(self.plan), self.zone)

    def control(self) -> Control:
        """The management API; to be closed by leaving it."""
        return control_of(self.deployed, self.workspace.stack)

    def cluster(self) -> str:
        """The Cluster that was ordered, or the first that carries load; WorkspaceError names those there are."""
        carrying = [cluster["name"] for cluster in self.zone.known.clusters if cluster["machines"]]
        return _one_of("Cluster", "--cluster", self.order.at, carrying)

    def place(self) -> str:
        """The place of the edge that was ordered, or the first."""
        found = dict.fromkeys(machine.place for machine in self.plan.edge.machines) if self.plan.edge else {}
        return _one_of("place of the edge", "--place", self.order.at, list(found))

    def calm(self) -> None:
        """A stretch in which nothing is done, to see that all is well: a quarter of what a fault lasts."""
        self.rest(max(1.0, self.order.seconds / 4))

    def rest(self, seconds: float) -> None:
        """Let so much time pass under load."""
        threading.Event().wait(seconds)

    @contextmanager
    def load(self) -> Iterator[None]:
        """Requests to every site through every edge for as long as it is entered."""
        targets = self.zone.targets()
        self.say(f"loading {len(targets)} site addresses with {self.order.rate} requests/s")
        with Load(targets, Shape(self.order.rate, LONGEST_SECONDS, first_number=first_number())) as load:
            begin = time.monotonic()
            yield
            self.record.due += self.order.rate * (time.monotonic() - begin)
        self.record.answers += load.answers

    @contextmanager
    def broken(self, told: str, machines: Sequence[str], how: How = How.KILL) -> Iterator[None]:
        """Those machines are broken for as long as it is entered, and healed also when it is interrupted."""
        self.say(f"{told}: {', '.join(machines)}")
        with self.record.log.fault(told), fault_of(how)(self.zone.containers, machines):
            yield
            self.say(f"over: {told}")

    def photograph(self, when: str) -> None:
        """Keep a map of the Zone as it is now, without asking machines: they have enough to do."""
        self.record.photograph(when, self.views.latest())

    def look(self) -> ZoneMap:
        """The map by a whole look, as `hdinfra status` takes it."""
        return seen_map(map_of(self.plan), look(self.zone.known, self.zone.containers).zone)


Play = Callable[[Stage], Outcome]


def perform(drill: Drill, play: Play, workspace: Workspace, order: Order, talk: Progress) -> Finding:
    """One whole drill. NotServingError when the Zone is not well to begin with: a drill would prove nothing."""
    drill = drill.with_limits(order.limits)
    stage = opened(workspace, order, talk)
    must_have_sites(stage.zone)
    with stage.views:
        _must_be_well(stage)
        stage.record.maps["before"] = stage.look()
        begin = time.monotonic()
        outcome = play(stage)
        end = time.monotonic()
        stage.renew()
        stage.record.maps["afterwards"] = stage.look()
    written = ledgers(stage.zone, though="The Zone is whole again")
    return found(drill, outcome, stage.record, written, (begin, end))


def found(
    drill: Drill,
    outcome: Outcome,
    record: Record,
    written: Mapping[str, Mapping[int, int]],
    between: tuple[float, float],
) -> Finding:
    """From what was kept to what is shown. Pure."""
    drill = drill.with_limits(outcome.limits)
    counted = [answer for answer in record.answers if outcome.counts(answer)]
    traffic = traffic_of(counted)
    due = record.due * sum(answer.number is None for answer in counted) / max(1, len(record.answers))
    ledger = ledger_of(record.answers, written)
    facts = {
        "requests": f"{traffic.requests:,} ({traffic.gets:,} GETs)",
        "failures": ", ".join(f"{kind}: {count}" for kind, count in traffic.failures.items()) or "none",
        "answers": f"p50 {traffic.p50_seconds:.3f} s, p99 {traffic.p99_seconds:.3f} s",
        "sent late by this computer": f"p99 {traffic.client_late_p99_seconds:.3f} s",
        "numbered POSTs": f"{ledger.sent} sent, {ledger.acknowledged} acknowledged",
        "failed POSTs": f"{len(ledger.failed)}, of which {len(ledger.failed_but_ran)} ran all the same",
    }
    return Finding(
        drill=drill,
        about=outcome.about,
        verdicts=drill.judge({**of_traffic(traffic, ledger, due), **outcome.measured}),
        traffic=traffic,
        timeline=timeline_of(record.answers, record.log.events, *between, outcome.counts),
        ledger=ledger,
        facts={**outcome.facts, **facts},
        maps=dict(record.maps),
    )


def opened(workspace: Workspace, order: Order, talk: Progress) -> Stage:
    """The stack as it is deployed now; its views are not watched before they are entered."""
    deployed, zone, plan = _read(workspace)
    record = Record(partial(glimpse, map_of(plan), zone))
    return Stage(order, workspace, zone, plan, deployed, zone.views(record.log.viewed), record, talk)


def _read(workspace: Workspace) -> tuple[Deployed | None, Zone, ZonePlan]:
    deployed = Engine(workspace).deployed_with_secrets()
    zone = Zone(declared_of(deployed, workspace.stack), open_containers())
    return deployed, zone, decide(workspace, deployed).plan


def glimpse(drawn: ZoneMap, zone: Zone, views: Views) -> ZoneMap:
    """How the Zone is by what runs and by what the edges that answer see. Machines that are merely frozen or cut off
    are known from that alone."""
    states = {
        machine["name"]: State.WELL if zone.containers.is_running(machine["container"]) else State.ILL
        for machine in (*zone.known.machines(), *zone.known.stores)
    }
    answering = [view for view in views.values() if view]
    for cluster in zone.known.clusters:
        if answering and all(_down(view, cluster["name"]) for view in answering):
            states |= {machine["name"]: State.ILL for machine in cluster["machines"]}
    extra = {
        cluster["name"]: [MapMachine(machine["name"], machine["role"]) for machine in cluster["machines"]]
        for cluster in zone.known.clusters
    }
    return with_states(drawn, states, extra)


def _down(view: Sequence[Mapping[str, Any]], cluster: str) -> bool:
    own = [server for server in view if server["cluster"] == cluster]
    return bool(own) and not any(server["up"] for server in own)


def _one_of(kind: str, option: str, ordered: str | None, known: Sequence[str]) -> str:
    chosen = ordered or next(iter(known), "")
    if chosen not in known:
        raise WorkspaceError(
            f"There is no {kind} `{chosen}` with anything to lose in this stack.",
            retry=f"{option} with one of: {', '.join(known) or 'none'}",
        )
    return chosen


def _must_be_well(stage: Stage) -> None:
    unwell: tuple[str, ...] = ()

    def well() -> bool:
        nonlocal unwell
        unwell = look(stage.zone.known, stage.zone.containers).unwell
        return not unwell

    if seconds_until(well, within=_WELL_SECONDS) is None:
        raise NotServingError(
            f"Not well to begin with: {', '.join(unwell)}; a drill would prove nothing.",
            running="all others",
            retry="hdinfra up, then the drill again",
        )
    clusters = [cluster["name"] for cluster in stage.zone.known.clusters if cluster["machines"]]
    if clusters and stage.views.seconds_until(clusters[0], up=True, within=_WELL_SECONDS) is None:
        raise NotServingError(
            "An edge sees a server down that says itself to be well; a drill would prove nothing.",
            running="the whole zone",
            retry="hdinfra status, then the drill again",
        )
