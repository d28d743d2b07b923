"""The plays by drill, and the whole set one after the other."""

from collections.abc import Mapping
from dataclasses import replace

from hdinfra.operate.drills import doubt_plays, entrance_play, heal_plays, order_play, plays
from hdinfra.operate.drills.catalogue import DRILLS
from hdinfra.operate.drills.cluster_loss import cluster_loss, ordered
from hdinfra.operate.drills.finding import Finding
from hdinfra.operate.drills.stage import Order, Play, opened, perform
from hdinfra.operate.progress import Progress
from hdinfra.operate.workspace import Workspace

PLAYS: Mapping[str, Play] = {
    "return": plays.comeback,
    "slow": plays.slow,
    "edge-loss": plays.edge_loss,
    "entrance-loss": entrance_play.entrance_loss,
    "control-plane-loss": plays.control_plane_loss,
    "split-view": doubt_plays.split_view,
    "flap": doubt_plays.flap,
    "site-failover": order_play.site_failover,
    "operator-loss": heal_plays.operator_loss,
}
"""What each drill does; cluster-loss, which is older, stands apart."""


def one(name: str, workspace: Workspace, order: Order, talk: Progress) -> Finding:
    """One drill by its name. Of the limits that were ordered it takes those that it has bounds for."""
    drill = DRILLS[name]
    keys = {bound.key for bound in drill.bounds}
    own = replace(order, limits={key: limit for key, limit in order.limits.items() if key in keys})
    return perform(drill, PLAYS[name], workspace, own, talk)


def whole_set(workspace: Workspace, order: Order, talk: Progress) -> list[Finding]:
    """Every drill on one Zone, that of its second entrance where it has one. One that breaks a promise does not keep
    the others from being tried."""
    talk.say("drill cluster-loss")
    stage = opened(workspace, order, talk)
    findings = [cluster_loss(ordered(order, stage.cluster()), workspace, talk)[1]]
    for name in PLAYS:
        if name == "entrance-loss" and not entrance_play.has_two(stage):
            talk.say("drill entrance-loss is left out: this Zone has no second entrance (docs/failover.md)")
            continue
        talk.say(f"drill {name}")
        findings.append(one(name, workspace, order, talk))
    return findings
