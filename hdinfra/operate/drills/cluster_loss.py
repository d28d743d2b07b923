"""The drill that loses a Cluster, for the frame that all drills share; `hdinfra.operate.drill` carries it out."""

import time

from hdinfra.operate.drill import ClusterLoss, Zone, run
from hdinfra.operate.drills.catalogue import DRILLS
from hdinfra.operate.drills.finding import Finding, of_traffic
from hdinfra.operate.drills.stage import Order, opened
from hdinfra.operate.drills.timeline import timeline_of
from hdinfra.operate.how import How
from hdinfra.operate.progress import Progress
from hdinfra.operate.report import Report, Traffic
from hdinfra.operate.workspace import Workspace


def cluster_loss(order: ClusterLoss, workspace: Workspace, talk: Progress) -> tuple[Report, Finding]:
    """The whole drill: its report as it always was, and what is shown on a page."""
    stage = opened(workspace, Order(order.rate, order.seconds, order.cluster), talk)
    stage.zone.known.machines_of(order.cluster)
    stage.record.maps["before"] = stage.look()
    begin = time.monotonic()
    report = run(order, Zone(stage.zone.known, stage.zone.containers), talk.say, stage.record)
    between = begin, time.monotonic()
    stage.record.maps["afterwards"] = stage.look()
    drill = DRILLS["cluster-loss"].with_limits({"slowest": order.slowest_allowed_seconds})
    traffic = Traffic(
        requests=report.requests,
        gets=report.gets,
        failed_gets=report.failed_gets,
        failures=report.failures,
        slowest_seconds=report.slowest_seconds,
        p50_seconds=report.p50_seconds,
        p99_seconds=report.p99_seconds,
        client_late_p99_seconds=report.client_late_p99_seconds,
    )
    # Its load always sends all of it, however late; what is late is slow.
    measured = {"view-right": report.view_right_seconds, "back": report.back_seconds}
    finding = Finding(
        drill=drill,
        about=f"{report.how} of Cluster {report.cluster} under {report.rate} requests/s",
        verdicts=drill.judge({**of_traffic(traffic, report.ledger, report.gets), **measured}),
        traffic=traffic,
        timeline=timeline_of(stage.record.answers, stage.record.log.events, *between),
        ledger=report.ledger,
        maps=dict(stage.record.maps),
    )
    return report, finding


def ordered(order: Order, cluster: str, how: How = How.KILL) -> ClusterLoss:
    """The order in this drill's own words: its seconds count the calm before and after the fault too."""
    slowest = order.limits.get("slowest", next(b.limit for b in DRILLS["cluster-loss"].bounds if b.key == "slowest"))
    return ClusterLoss(cluster, order.rate, 2 * order.seconds, how, slowest)
