"""Drills in which the right thing to do is nothing: a Cluster that flaps, and witnesses that disagree."""

from collections.abc import Iterator
from contextlib import contextmanager

from hdinfra.operate.drills.stage import Outcome, Stage
from hdinfra.operate.drills.watching import Watching, watcher
from hdinfra.operate.errors import NotServingError
from hdinfra.operate.faults import severed
from hdinfra.operate.how import How

_KNOWN_SECONDS = 60.0
_ALARM_SECONDS = 60.0
_SHORTEST_SECONDS = 5.0
"""Half a period: edges notice within 1 s, tell it within 1 s, and two looks of the watcher must fall into the rest."""
_MOST_TURNS = 30


def flap(stage: Stage) -> Outcome:
    """A Cluster is cut off for half of every period, until the watcher calls a human, and once more."""
    cluster, half = stage.cluster(), max(_SHORTEST_SECONDS, stage.order.seconds / 2)
    machines = stage.zone.known.machines_of(cluster)
    turns, before, called = 0, 0, False
    with _watched(stage, "flap", cluster) as watching, stage.load():
        while turns < _MOST_TURNS and not called:
            called, before = watching.has_alarm("flapping"), watching.switches
            with stage.broken(f"{cluster} away", machines, How.UNPLUG):
                stage.rest(half)
            stage.rest(half)
            turns += 1
        restless = watching.switches - before if called else watching.switches
    return Outcome(
        about=f"Cluster {cluster} came and went {turns} times, every {2 * half:g} s.",
        measured={
            "switches": watching.switches,
            "restless": restless,
            "alarm": watching.alarms("flapping"),
            "further-alarms": max(0, watching.alarms("flapping") - 1),
            "withdrawals": watching.withdrawals,
        },
        facts={"the watcher's log": str(watching.watch.journal.path)},
    )


def split_view(stage: Stage) -> Outcome:
    """One edge no longer reaches a Cluster that all others reach."""
    cluster = stage.cluster()
    edge = stage.zone.known.edge_machines[0]
    targets = [
        machine[family]
        for known in stage.zone.known.clusters
        if known["name"] == cluster
        for machine in known["machines"]
        for family in ("ipv4", "ipv6")
        if machine[family]
    ]
    told = f"{edge['name']} cut off from {cluster}"
    with _watched(stage, "split-view", cluster) as watching, stage.load():
        stage.calm()
        stage.say(told)
        with stage.record.log.fault(told), severed(stage.zone.containers, edge["container"], targets):
            seen = watching.has_alarm("split-view", within=_ALARM_SECONDS)
            stage.photograph("while they disagreed")
            stage.rest(stage.order.seconds)
        stage.calm()
    return Outcome(
        about=f"{told}: {'an alarm was told' if seen else 'nobody was called'}.",
        measured={
            "alarm": watching.alarms("split-view"),
            "further-alarms": watching.alarms()
            - watching.alarms("split-view")
            + max(0, watching.alarms("split-view") - 1),
            "withdrawals": watching.withdrawals,
        },
        facts={"the watcher's log": str(watching.watch.journal.path)},
    )


@contextmanager
def _watched(stage: Stage, name: str, cluster: str) -> Iterator[Watching]:
    with stage.control() as control, Watching(watcher(stage.workspace, control, name), stage.record.log) as watching:
        if not watching.has_seen(cluster, within=_KNOWN_SECONDS):
            raise NotServingError(f"No witness says that `{cluster}` is well, so its loss would prove nothing.")
        yield watching
