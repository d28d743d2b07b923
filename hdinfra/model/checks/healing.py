"""Healing: what it is told to leave alone exists."""

from collections.abc import Iterator
from difflib import get_close_matches

from hdinfra.model.refusal import Refusal
from hdinfra.model.spec import ZoneSpec


def check_healing(spec: ZoneSpec) -> Iterator[Refusal]:
    """`healing.cluster-unknown`."""
    known = sorted(cluster.name for cluster in spec.clusters)
    for index, name in enumerate(spec.healing.keep):
        if name not in known:
            nearest = get_close_matches(name, known, n=1, cutoff=0.0)
            yield Refusal(
                f"healing.keep[{index}]",
                "healing.cluster-unknown",
                f"`{name}` shall never be withdrawn, but the Zone has {', '.join(known) or 'no Cluster'}: the one that "
                "is meant would be.",
                f"write `{nearest[0]}`, or leave it out" if nearest else "leave it out",
            )
