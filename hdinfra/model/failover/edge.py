"""What a user writes of the edge that we run where Clusters take users in order, not all at once."""

from typing import Annotated

from pydantic import Field

from hdinfra.model.failover.spec import MonitorSpec
from hdinfra.model.failover.timing import WorstCase, worst_case_of
from hdinfra.model.names import Name, Spec


class EdgePoolSpec(Spec):
    """Clusters whose Machines take users together: a site."""

    name: Name
    clusters: Annotated[tuple[Name, ...], Field(min_length=1, max_length=64)]
    drained: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Maintenance: takes no users until it is let back in"
    )


class EdgeFailoverSpec(Spec):
    """Pools in order: users go to the first that is up, by what every edge Machine's own probes say."""

    pools: Annotated[tuple[EdgePoolSpec, ...], Field(min_length=1, max_length=16)]
    fallback: Name | None = Field(
        default=None, description="The pool that takes users when every pool is down, whatever its own health"
    )
    monitor: MonitorSpec = Field(
        # The edge stands near its Clusters and is asked by nobody what probes cost: once a second, and again at once.
        default=MonitorSpec(interval_seconds=1, timeout_seconds=1, retries=1),
        description="How each Machine of a pool is probed; left out, each second",
    )


EDGE_SECONDS = 0.1
"""From the result that decides until HAProxy sends users elsewhere: one command over a socket, on a busy machine. Edges
do not wait for one another: each switches by its own probes. Measured by `python -m bench --only site-failover`."""


def worst_case_of_edge(failover: EdgeFailoverSpec) -> WorstCase:
    """How long users of a pool that died may have to wait at most."""
    return worst_case_of(failover.monitor, edge_seconds=EDGE_SECONDS, overlapping=True)
