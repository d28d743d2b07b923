"""What each drill does that changes no deployment: break, watch, heal, measure."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from hdinfra.operate.at_once import each
from hdinfra.operate.drills.stage import Outcome, Stage
from hdinfra.operate.errors import ControlError, NotServingError
from hdinfra.operate.faults import stuttering
from hdinfra.operate.up import edge_is_well
from hdinfra.operate.waiting import seconds_until

_AWAY_SECONDS = 20.0
_BACK_SECONDS = 180.0
_REPORTED_SECONDS = 120.0
_FROZEN_SECONDS, _RUNNING_SECONDS = 0.6, 0.4
_SLOW_SECONDS = 6.0
"""The shortest in which the promised stalls fit, where freezing and thawing takes as long as they last."""
_SAME = ("number", "settings", "digest", "serving")
"""What a machine must go on with while nobody manages it."""


def edge_loss(stage: Stage) -> Outcome:
    """One place of the edge is killed. Users of the other places must notice nothing."""
    place = stage.place()
    machines = [machine for machine in (stage.plan.edge.machines if stage.plan.edge else ()) if machine.place == place]
    names = {machine.name for machine in machines}
    containers = [one["container"] for one in stage.zone.known.edge_machines if one["name"] in names]
    urls = tuple(f"http://{one.publish.address}:{one.publish.port}" for one in machines if one.publish)
    with stage.load():
        stage.calm()
        with stage.broken(f"kill of edge {place}", containers):
            begin = time.monotonic()
            stage.rest(stage.order.seconds)
            stage.photograph(f"while edge {place} was away")
        away = time.monotonic() - begin
        back = seconds_until(lambda: all(map(edge_is_well, urls)), within=_BACK_SECONDS)
        stage.calm()
    at_the_lost = [answer for answer in stage.record.answers if answer.edge in urls]
    return Outcome(
        about=f"Edge {place} was away for {away:.1f} s; users who came to it then were turned away.",
        measured={"back": back},
        facts={
            "requests that failed at the lost place": f"{sum(answer.failure is not None for answer in at_the_lost):,}"
        },
        counts=lambda answer: answer.edge not in urls,
    )


def control_plane_loss(stage: Stage) -> Outcome:
    """Every API machine is killed. Machines go on with what they have, and report again when there is somebody."""
    containers = [machine["container"] for machine in stage.zone.known.control_machines]
    managed = [machine for machine in stage.zone.known.machines() if machine not in stage.zone.known.control_machines]
    with stage.control() as control:
        reporting = set(control.machines())
        before = _words(stage, managed)
        with stage.load():
            stage.calm()
            with stage.broken("kill of all API machines", containers):
                stage.rest(stage.order.seconds)
                stage.photograph("while no API machine was there")
                changed = [name for name, word in _words(stage, managed).items() if word != before[name]]
            begin = time.monotonic()

            def reported() -> bool:
                try:
                    heard = control.machines()
                except ControlError:
                    return False
                since = time.monotonic() - begin
                ages = [heard.get(name, {}).get("seen_seconds") for name in reporting]
                return all(age is not None and age < since for age in ages)

            back = seconds_until(reported, within=_REPORTED_SECONDS)
            stage.calm()
    return Outcome(
        about=f"{len(containers)} API machines were away for {stage.order.seconds:g} s.",
        measured={"changed": len(changed), "reported": back},
        facts={"machines that changed": ", ".join(changed) or "none"},
    )


def slow(stage: Stage) -> Outcome:
    """One Cluster's Machines stand still for 0.6 s of every second."""
    cluster = stage.cluster()
    machines = stage.zone.known.machines_of(cluster)
    told = f"{cluster} is slow"
    with stage.load():
        stage.calm()
        stage.say(f"{told}: {', '.join(machines)}")
        with (
            stage.record.log.fault(told),
            stuttering(stage.zone.containers, machines, _FROZEN_SECONDS, _RUNNING_SECONDS) as stalls,
        ):
            stage.rest(max(_SLOW_SECONDS, stage.order.seconds))
        stage.calm()
    return Outcome(
        about=f"The Machines of Cluster {cluster} stood still {len(stalls)} times for {_FROZEN_SECONDS:g} s each.",
        measured={"stalls": len(stalls)},
    )


def comeback(stage: Stage) -> Outcome:
    """A Cluster is away before anybody comes, and returns under load."""
    cluster = stage.cluster()
    with ExitStack() as healing:
        healing.enter_context(stage.broken(f"{cluster} away", stage.zone.known.machines_of(cluster)))
        if stage.views.seconds_until(cluster, up=False, within=_AWAY_SECONDS) is None:
            raise NotServingError("The edges never saw that the Cluster was gone, so its return would prove nothing.")
        stage.photograph(f"while `{cluster}` was away")
        with stage.load():
            stage.rest(stage.order.seconds)
            healing.close()
            back = stage.views.seconds_until(cluster, up=True, within=_BACK_SECONDS)
            stage.rest(stage.order.seconds)
    return Outcome(about=f"Cluster {cluster} came back while all users were at the others.", measured={"back": back})


def _words(stage: Stage, machines: Sequence[Mapping[str, Any]]) -> dict[str, tuple[object, ...]]:
    """What each machine says of its policy, by name."""
    told = each(lambda machine: stage.zone.containers.hdctl_status(machine["container"]) or {}, machines)
    return {
        machine["name"]: tuple(word.get(key) for key in _SAME) for machine, word in zip(machines, told, strict=True)
    }
