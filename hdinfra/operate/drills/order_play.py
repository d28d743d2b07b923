"""The drill of two sites in order: users of the first are moved to the second, and back."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from hdinfra.model.failover.edge import EdgeFailoverSpec, EdgePoolSpec
from hdinfra.model.policy import Failover, FailoverPool
from hdinfra.operate.bad_policy import good_in_the_end
from hdinfra.operate.control import Control
from hdinfra.operate.drills.stage import Outcome, Stage
from hdinfra.operate.errors import ControlError, WorkspaceError
from hdinfra.operate.policy import rollout
from hdinfra.operate.report import Answer
from hdinfra.operate.site_failover import Sites, switch_once
from hdinfra.operate.status import Declared
from hdinfra.plugins.kind import PluginError
from hdinfra.plugins.policy.rollout import Wanted

_SCOPE = "edge"
_UNDER_WAY_SECONDS = 3.0
"""What was asked just before the cut hangs on it as well, for as long as an answer may take."""
_WELL_SECONDS = 60.0


def site_failover(stage: Stage) -> Outcome:
    """One Cluster after the other takes all users, for this drill; the first is cut off, and plugged in again."""
    order = _order(stage)
    with stage.control() as control, _in_order(stage, control, order), stage.load(), ExitStack() as fault:
        stage.calm()
        moves = _Moves(stage, fault)
        switch = switch_once(_sites(stage, order), moves.say)
        stage.calm()
    at = moves.times[0]
    until = at + (switch.seconds or switch.bound_seconds)

    def counts(answer: Answer) -> bool:
        return not at - _UNDER_WAY_SECONDS <= answer.due <= until

    lost = sum(answer.failure is not None for answer in stage.record.answers if not counts(answer))
    return Outcome(
        about=f"Users of {switch.pool} went to {switch.other or 'nobody'}; what they asked meanwhile counts apart.",
        measured={"switched": switch.seconds, "moved-back": switch.back_seconds},
        facts={"requests that failed while users were moved": f"{lost:,}"},
        counts=counts,
        limits={"switched": switch.bound_seconds, "moved-back": switch.back_bound_seconds},
    )


@dataclass(slots=True)
class _Moves:
    """Hears of the cut, and of its end, from whoever makes it."""

    stage: Stage
    fault: ExitStack
    times: list[float] = field(default_factory=list)

    def say(self, text: str) -> None:
        """The first time it is cut, the second time it is plugged in again."""
        self.times.append(time.monotonic())
        self.stage.say(text)
        if len(self.times) == 1:
            self.fault.enter_context(self.stage.record.log.fault("the first site is cut off"))
        else:
            self.stage.photograph("while the second site had all users")
            self.fault.close()


def _order(stage: Stage) -> EdgeFailoverSpec:
    """The order that was ordered, else as the Zone has its Clusters; WorkspaceError where there is only one."""
    first = stage.cluster()
    others = [one["name"] for one in stage.zone.known.clusters if one["machines"] and one["name"] != first]
    if not others:
        raise WorkspaceError("Only one Cluster has Machines with sites, so its users cannot be moved.")
    pools = (EdgePoolSpec(name=first, clusters=(first,)), EdgePoolSpec(name=others[0], clusters=tuple(others)))
    return EdgeFailoverSpec(pools=pools, fallback=others[0])


def _sites(stage: Stage, order: EdgeFailoverSpec) -> Sites:
    output = stage.zone.known.output
    edge = {**output["edge"], "failover": order.model_dump(mode="json")}
    return Sites(Declared({**output, "edge": edge}), stage.zone.containers)


@contextmanager
def _in_order(stage: Stage, control: Control, order: EdgeFailoverSpec) -> Iterator[None]:
    """The edge's own policy with pools in order; the one without is in force again afterwards."""
    good = control.standing(_SCOPE).newest
    if good is None:
        raise ControlError("The edge has no policy yet.", retry="hdinfra up")
    pools = tuple(FailoverPool(name=one.name, clusters=one.clusters, drained=one.drained) for one in order.pools)
    failover = Failover(pools=pools, fallback=pools[-1].name, monitor=order.monitor)
    wanted = Wanted(
        scope=_SCOPE,
        members=good.members,
        document={**good.document, "failover": failover.model_dump(mode="json")},
        bake_seconds=0,
        code=good.code,
    )
    with good_in_the_end(control, good, stage.say):
        stage.say(f"the edge takes {' then '.join(pool.name for pool in pools)}")
        stage.record.log.planned("Clusters take users in order")
        try:
            rollout(control, stage.say).bring(wanted, frozenset(), good.number)
        except PluginError as failed:
            raise ControlError("The edge did not take the order of Clusters.") from failed
        yield
    stage.record.log.planned("all Clusters take users again")
    stage.views.seconds_until_all(lambda view: all(server["up"] for server in view), within=_WELL_SECONDS)
