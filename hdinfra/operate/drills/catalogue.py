"""Every drill as it is declared: what it breaks and what it promises."""

from collections.abc import Mapping

from hdinfra.operate.drills.bounds import Bound, Drill, Sense
from hdinfra.operate.report import SLOWEST_SECONDS

CAPACITY_SECONDS = 60.0
"""With the system image at hand, on a computer that does nothing else."""
TRAFFIC = (
    Bound("gets", "GETs that were due and sent", 90, "%", Sense.AT_LEAST),
    Bound("failed-gets", "GETs that failed", 0, "GETs"),
    Bound("posts-twice", "POSTs that ran twice", 0, "POSTs"),
    Bound("posts-lost", "acknowledged POSTs that no origin has", 0, "POSTs"),
    Bound("slowest", "slowest answer", SLOWEST_SECONDS, "s"),
)
"""What users see is bounded in every drill. A computer too busy to send what was due while something was broken has
proved nothing of it."""
_VIEW = Bound("view-right", "every edge saw it after", 20, "s")
_BACK = Bound("back", "every edge saw it back after", 120, "s")
_ONE_ALARM = (
    Bound("alarm", "alarms that say what it is", 1, "alarms", Sense.AT_LEAST),
    Bound("further-alarms", "alarms beside the first", 0, "alarms"),
    Bound("withdrawals", "times that the Cluster would have been given up", 0, "times"),
)

_DECLARED = (
    Drill("cluster-loss", "every Machine of one Cluster, API machines included", (*TRAFFIC, _VIEW, _BACK)),
    Drill(
        "operator-loss",
        "every Cluster of one operator; what they carried is made elsewhere, and later goes back",
        (
            *TRAFFIC,
            _VIEW,
            Bound("capacity-back", "as many Machines as declared served again after", CAPACITY_SECONDS, "s"),
            Bound("servers-missing", "Machines fewer than before, in the end", 0, "Machines"),
            Bound("restored", "all was back where it had been, after the operator's return", 240, "s"),
        ),
    ),
    Drill(
        "edge-loss",
        "every machine of one of the edge's places; what is counted is users' luck at the other places",
        (*TRAFFIC, Bound("back", "the lost place answered again after", 120, "s")),
    ),
    Drill(
        "entrance-loss",
        "every place that only the entrance in force has; users are led to another one",
        (
            *TRAFFIC,
            Bound("switched", "every name server answered with the second entrance after", 10, "s"),
            Bound("back", "the lost entrance answered again after", 120, "s"),
        ),
    ),
    Drill(
        "control-plane-loss",
        "every API machine of the Zone at once",
        (
            *TRAFFIC,
            Bound("changed", "machines whose policy or service changed meanwhile", 0, "machines"),
            Bound("reported", "every machine had reported again after", 60, "s"),
        ),
    ),
    Drill(
        "flap",
        "one Cluster again and again: it comes and goes until the watcher calls a human, and once more",
        (
            *TRAFFIC,
            Bound("switches", "times that it was taken for lost or back", 6, "times"),
            Bound("restless", "of these, after a human was called", 0, "times"),
            *_ONE_ALARM,
        ),
    ),
    Drill(
        "split-view",
        "one edge's way to one Cluster; all others still reach it",
        (*TRAFFIC, *_ONE_ALARM),
    ),
    Drill(
        "site-failover",
        "the first of two sites that take users in order",
        (
            *TRAFFIC,
            Bound("switched", "every edge had users moved after (limit: the worst case as computed)", 30, "s"),
            Bound("moved-back", "and back after its return (likewise)", 30, "s"),
        ),
    ),
    Drill(
        "slow",
        "one Cluster's speed: its Machines stand still for most of every second",
        (*TRAFFIC, Bound("stalls", "times that it stood still", 3, "times", Sense.AT_LEAST)),
    ),
    Drill(
        "return",
        "nothing: a Cluster that was away comes back under load",
        (*TRAFFIC, Bound("back", "every edge saw it back after", 60, "s")),
    ),
)
DRILLS: Mapping[str, Drill] = {drill.name: drill for drill in _DECLARED}
