"""What visitors see when a Cluster is lost, in three ways; and how much memory the whole zone takes."""

from collections.abc import Iterable

from bench.figure import Figure
from bench.project import Project
from bench.talk import say
from hdinfra.operate.containers import open_containers, said
from hdinfra.operate.how import How
from hdinfra.operate.report import SLOWEST_SECONDS

_MIB = 1024 * 1024
_SECONDS = 20
_RATE = 200


def measure_drills(zone: Project) -> Iterable[Figure]:
    """Failed GETs, the slowest answer, and how soon every edge knew."""
    for how in How:
        say(f"cluster-loss by {how}")
        ordered = ("--cluster", "a", "--rate", str(_RATE), "--seconds", str(_SECONDS), "--how", how, "--json")
        report = zone.ask_whatever("drill", "cluster-loss", *ordered)
        say(f"{report['gets']:,} GETs; broken promises: {report['broken_promises'] or 'none'}")
        yield Figure(f"cluster-loss-{how}-failed-gets", report["failed_gets"], "GETs", 0)
        yield Figure(f"cluster-loss-{how}-slowest-answer", report["slowest_seconds"], "s", SLOWEST_SECONDS)
        yield Figure(f"cluster-loss-{how}-view-right", report["view_right_seconds"] or -1, "s", 5)


def measure_memory(zone: Project) -> Iterable[Figure]:
    """All machines together, page cache left out, beside an empty Debian with systemd for each of them."""
    containers = open_containers()
    machines = containers.client.containers.list(filters={"label": f"hdinfra.namespace={zone.namespace}"})
    used = sum(_memory_mib(said(one.exec_run(["sh", "-c", _RSS]))) for one in machines)
    yield Figure("zone-memory", round(used, 1), "MiB", 1536)


# Proportional set sizes count a page shared by two processes once.
_RSS = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {kb += $2} END {print kb}'"


def _memory_mib(kib: str) -> float:
    return int(kib.strip() or 0) / 1024
