"""Looks at a Zone as edges and API machines would have them, for tests of healing."""

from collections.abc import Mapping

from hdinfra.model.healing.memory import Look
from hdinfra.model.healing.sighting import Sighting

EDGES = ("east-edge", "west-edge")
CLUSTERS = ("a", "b", "c")


def seen_by(views: Mapping[str, Mapping[str, bool]], age: float = 1.0) -> tuple[Sighting, ...]:
    """By witness, what it sees of each Cluster. A witness stands in what its name begins with."""
    return tuple(
        Sighting(witness, witness.partition("-")[0], cluster, up, age)
        for witness, view in views.items()
        for cluster, up in view.items()
    )


def look_of(
    up: Mapping[str, bool], clusters: tuple[str, ...] = CLUSTERS, withdrawn: tuple[str, ...] = (), busy: str = ""
) -> Look:
    """Both edges see the same."""
    return Look(seen_by(dict.fromkeys(EDGES, up)), clusters, withdrawn, busy, stack="india")


ALL_UP = {"a": True, "b": True}
A_LOST = {"a": False, "b": True}
