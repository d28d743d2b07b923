"""A rack in Paris serves a shop; while it cannot, a Kubernetes cluster in Helsinki does."""

from pathlib import Path

import pulumi

import hdinfra as hd


def declare() -> hd.FailoverPair:
    """Every refusal happens in `planned_edge`; what follows only declares."""
    plan = hd.planned_edge(hd.load_edge(Path(__file__).with_name("pair.yaml")))
    pair = hd.FailoverPair("shop", hd.FailoverPairArgs(plan))
    pulumi.export("status", hd.status_of_edge(pair.edge))
    pulumi.export("tunnel_tokens", hd.tokens_of_edge(pair.edge))
    return pair
