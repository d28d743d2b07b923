"""Drills in which the Zone heals itself: what they break, what is decided of it, and how all comes back."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from hdinfra.operate.drills.stage import Outcome, Stage
from hdinfra.operate.heal import HealOrder, heal
from hdinfra.operate.restore import restore
from hdinfra.operate.views import View

_SEEN_SECONDS = 20.0
_CAPACITY_SECONDS = 240.0
_WELL_SECONDS = 120.0


def operator_loss(stage: Stage) -> Outcome:
    """Every Cluster of one operator is killed; what they carried is made elsewhere; then they come back."""
    operator, clusters = _operator_of(stage, stage.cluster())
    machines = [name for cluster in clusters for name in stage.zone.known.machines_of(cluster)]
    declared = _servers(stage)
    with stage.load(), ExitStack() as healing:
        stage.calm()
        begin = time.monotonic()
        healing.enter_context(stage.broken(f"{operator} is lost", machines))
        unseen = stage.views.seconds_until_all(lambda view: _without(view, clusters), within=_SEEN_SECONDS) is None
        seen = None if unseen else round(time.monotonic() - begin, 3)
        with _said_how_to_go_on(stage, clusters):
            came = [name for cluster in clusters for name in _give_up(stage, cluster)]
            whole = stage.views.seconds_until_all(lambda view: _carries(view, _places(stage)), within=_CAPACITY_SECONDS)
            capacity = None if whole is None else round(time.monotonic() - begin, 3)
            stage.photograph(f"without {operator}")
            stage.calm()
            healing.close()
            returned = time.monotonic()
            stage.rest(stage.order.seconds)  # nobody lets in what has just begun to start
            for cluster in clusters:
                _let_in(stage, cluster)
        restored = stage.views.seconds_until_all(lambda view: _carries(view, _places(stage)), within=_WELL_SECONDS)
        took = None if restored is None else round(time.monotonic() - returned, 3)
        stage.calm()
    return Outcome(
        about=f"{operator} was lost with {', '.join(clusters)}; {', '.join(came) or 'nothing'} came in its place.",
        measured={
            "view-right": seen,
            "capacity-back": capacity,
            "servers-missing": max(0, declared - _servers(stage)),
            "restored": took,
        },
    )


def _operator_of(stage: Stage, cluster: str) -> tuple[str, list[str]]:
    operator = next(one["operator"] for one in stage.zone.known.clusters if one["name"] == cluster)
    return operator, [one["name"] for one in stage.zone.known.clusters if one["operator"] == operator]


def _give_up(stage: Stage, cluster: str) -> Sequence[str]:
    stage.record.log.decided(f"{cluster} is given up")
    change = heal(stage.workspace, HealOrder(cluster), stage.talk).change
    stage.record.log.planned(f"{', '.join(change.comes) or 'nothing'} came; {', '.join(change.goes) or 'nothing'} went")
    stage.renew()
    return change.comes


def _let_in(stage: Stage, cluster: str) -> None:
    stage.record.log.decided(f"{cluster} is let back in")

    def is_well(name: str) -> bool:
        return stage.views.seconds_until_all(lambda view: _has(view, name), within=0.1) is not None

    done = restore(stage.workspace, cluster, stage.talk, is_well, within=_WELL_SECONDS)
    stage.record.log.planned(f"{', '.join(done.back) or 'nothing'} is back; {', '.join(done.gone) or 'nothing'} went")
    stage.renew()


@contextmanager
def _said_how_to_go_on(stage: Stage, clusters: Sequence[str]) -> Iterator[None]:
    """Whoever ends a drill halfway must know what to type."""
    try:
        yield
    except BaseException:
        told = " && ".join(f"hdinfra restore {cluster} --stack {stage.workspace.stack}" for cluster in clusters)
        stage.say(f"not finished: `{told}` brings back what was given up")
        raise


def _places(stage: Stage) -> frozenset[str]:
    """Clusters in which something serves by what is deployed."""
    return frozenset(cluster["name"] for cluster in stage.zone.known.clusters if cluster["machines"])


def _servers(stage: Stage) -> int:
    return sum(len(cluster["machines"]) for cluster in stage.zone.known.clusters)


def _without(view: View, clusters: Sequence[str]) -> bool:
    """Everything of these is down, and everything else is up."""
    return bool(view) and all(_is_up(server) is (server["cluster"] not in clusters) for server in view)


def _carries(view: View, clusters: frozenset[str]) -> bool:
    """Every server is up, and they stand in just these Clusters."""
    return {server["cluster"] for server in view} == clusters and all(map(_is_up, view))


def _has(view: View, cluster: str) -> bool:
    own = [server for server in view if server["cluster"] == cluster]
    return bool(own) and all(map(_is_up, own))


def _is_up(server: Mapping[str, Any]) -> bool:
    return server["up"] is True
