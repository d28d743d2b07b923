"""A Zone, one shared Instance and the edge in front of it."""

from pathlib import Path

import hdinfra as hd


def declare() -> hd.ProxyEdge:
    """Every refusal happens in `planned`; what follows only declares."""
    plan = hd.planned(hd.load_spec(Path(__file__).with_name("zone.yaml")))
    zone = hd.Zone("india", hd.ZoneArgs(plan=plan))
    shop = hd.SharedInstance("shop", hd.SharedInstanceArgs(zone=zone, plan=plan.instance("shop")))
    return hd.ProxyEdge("edge", hd.ProxyEdgeArgs(zone=zone, plan=plan.edge, instances=[shop]))
