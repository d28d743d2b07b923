"""The program of a stack that is an edge by itself: a service before its sites, at Cloudflare."""

from pathlib import Path

import pulumi

import hdinfra as hd
from hdinfra.model.failover.cloudflare_plan import CloudflarePlan


def run(spec_file: Path) -> None:
    """Declare the spec's edge, or pair. A refused spec registers nothing, and the stack keeps the outputs it has."""
    try:
        plan = hd.planned_edge(hd.load_edge(spec_file))
    except hd.RefusedError as refused:
        raise pulumi.RunError(f"{spec_file.name} is refused; nothing was changed.\n{refused}") from refused
    edge = declared(plan)
    pulumi.export("status", hd.status_of_edge(edge))
    pulumi.export("tunnel_tokens", hd.tokens_of_edge(edge))


def declared(plan: CloudflarePlan) -> hd.CloudflareFailover:
    """The edge, under its pair where it is one."""
    if plan.pair:
        return hd.FailoverPair(plan.edge, hd.FailoverPairArgs(plan)).edge
    return hd.CloudflareFailover(plan.edge, hd.CloudflareFailoverArgs(plan))
