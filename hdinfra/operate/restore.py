"""A Cluster that was given up gets its work back: machines first, then traffic, and then what stood in for them goes.

Two updates: in between both the old and the new machines carry. Interrupted anywhere, the same again goes on.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hdinfra.model.healing.order import Order, gone_back
from hdinfra.model.healing.sighting import LIVE_SECONDS
from hdinfra.operate.apart import urns_of
from hdinfra.operate.control import open_control
from hdinfra.operate.engine import Engine, judged
from hdinfra.operate.errors import HealError, OperateError
from hdinfra.operate.heal import Manner, Watched, alone, free, keep_file, update
from hdinfra.operate.healing_plan import Standing, standing_of
from hdinfra.operate.pending import resolve_pending
from hdinfra.operate.progress import Progress
from hdinfra.operate.waiting import seconds_until
from hdinfra.operate.workspace import Workspace

WELL_SECONDS = 90.0
"""Within which every witness must see the Cluster well. Neighbours of a machine that was made anew may look for it at
its old place for 45 s."""
IsWell = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Restored:
    """What runs there again, and what went."""

    cluster: str
    back: tuple[str, ...]
    gone: tuple[str, ...]
    serial: int

    def as_json(self) -> dict[str, Any]:
        """Plain data for `--json`."""
        return {"cluster": self.cluster, "back": list(self.back), "gone": list(self.gone), "serial": self.serial}


def restore(
    workspace: Workspace, cluster: str, talk: Progress, is_well: IsWell, *, within: float = WELL_SECONDS
) -> Restored:
    """Let it back in. `is_well` says whether all who look see it well; nothing that stood in for it goes before.

    HealError when that does not happen in time: everything runs then, and the same again goes on.
    """
    workspace.prepare()
    with alone(workspace):
        return _restored(workspace, cluster, talk, is_well, within)


def _restored(workspace: Workspace, cluster: str, talk: Progress, is_well: IsWell, within: float) -> Restored:
    free(Engine(workspace), talk)
    standing = _standing(workspace, cluster)
    before = {machine.name for machine in standing.plan().machines}
    target = gone_back(standing.held, cluster)
    looked = cluster in standing.held.withdrawn and bool(target)
    if looked:
        standing = _both(workspace, cluster, standing, talk)
    if target and cluster not in standing.held.withdrawn:
        _must_be_well(workspace.stack, cluster, is_well, within, talk)
    last = standing.order(let_in=(cluster,), placement=target)
    after = {machine.name for machine in standing.plan(last).machines}
    _carry_out(workspace, standing, last, talk, look=not looked)
    serial = _standing(workspace, cluster).held.serial
    return Restored(cluster, tuple(sorted(after - before)), tuple(sorted(before - after)), serial)


def _both(workspace: Workspace, cluster: str, standing: Standing, talk: Progress) -> Standing:
    """Machines come back while those that stand in for them stay; then what is deployed. Where more Clusters would need
    fewer Machines each, that is no help: it is done in one update, which also makes before it removes."""
    target, now = gone_back(standing.held, cluster), standing.held.instances
    union = {name: tuple(sorted({*clusters, *now[name].clusters})) for name, clusters in target.items()}
    order = standing.order(let_in=(cluster,), stay=True, placement=union)
    then = standing.plan(standing.order(let_in=(cluster,), placement=target))
    kept = {machine.name for machine in (*standing.plan().machines, *then.machines)}
    if not kept <= {machine.name for machine in standing.plan(order).machines}:
        return standing
    talk.say(f"`{cluster}` takes machines again, beside those that stand in for it")
    _carry_out(workspace, standing, order, talk, look=True)
    return _standing(workspace, cluster)


def _must_be_well(stack: str, cluster: str, is_well: IsWell, within: float, talk: Progress) -> None:
    talk.say(f"waiting until `{cluster}` is seen well")
    if seconds_until(lambda: is_well(cluster), within=within) is None:
        raise HealError(
            f"`{cluster}` is back, but after {within:.0f} s it is not seen well: what stood in for it stays.",
            running="every machine of it, and all that stood in for them",
            retry=f"hdinfra status --stack {stack}, then hdinfra restore {cluster} --stack {stack}",
        )


def _carry_out(workspace: Workspace, standing: Standing, order: Order, talk: Progress, *, look: bool) -> None:
    """`look`: what came back may have come back without some of its machines."""
    engine = Engine(workspace)
    deployed = engine.deployed()
    if deployed is None:
        raise HealError(f"Stack `{workspace.stack}` is not up.")
    resolve_pending(engine, deployed, talk.say)
    withdrawn = {*deployed.outputs["held"].get("withdrawn", ())} - {*order.let_in}
    run = update(workspace, order, Watched(talk), Manner(urns_of(deployed, withdrawn), look=look))
    judged(run, "up", workspace)
    keep_file(workspace, standing, talk)


def seen_well(engine: Engine) -> IsWell:
    """Asks the API machines of what is deployed then."""

    def is_well(cluster: str) -> bool:
        try:
            with open_control(engine) as control:
                return all_see(control.machines(), cluster)
        except OperateError:
            return False  # an API machine may just be starting

    return is_well


def all_see(machines: Mapping[str, Mapping[str, Any]], cluster: str) -> bool:
    """Whether every edge that is heard sees all servers of that Cluster up, and at least one does. Where the zone has
    no edge, the Cluster's machines say of themselves that they serve."""
    known = [one for one in machines.values() if one["seen_seconds"] is not None]
    heard = [one for one in known if one["seen_seconds"] <= LIVE_SECONDS]
    views = [one["clusters"] for one in heard if one["role"] == "load-balancer"]
    if views:
        counts = [view.get(cluster, {"up": 0, "all": 1}) for view in views]
        return all(count["up"] == count["all"] > 0 for count in counts)
    own = [one for one in heard if one["cluster"] == cluster and one["role"] != "control"]
    return bool(own) and all(one["serving"] for one in own)


def _standing(workspace: Workspace, cluster: str) -> Standing:
    standing = standing_of(Engine(workspace).deployed_with_secrets(), workspace)
    known = sorted(one.name for one in standing.spec.clusters)
    if cluster not in known:
        raise HealError(f"There is no Cluster `{cluster}` in this stack.", retry=f"one of: {', '.join(known)}")
    return standing
