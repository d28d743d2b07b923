"""How much longer a neighbour's slowest answers take while a tenant of the same machine wants all of its CPU."""

from collections.abc import Iterator

from bench.figure import Figure
from bench.talk import say
from tests.metal.neighbours import p99_pairs
from tests.metal.waf_guest import waf_guest

FEWEST_PAIRS = 5
_REQUESTS = 200


def measure_neighbour(pairs: int) -> Iterator[Figure]:
    """Quiet and loaded in turn, in one guest, measured inside it: of the pair whose ratio is the median."""
    with waf_guest() as place:
        found = sorted(p99_pairs(place, pairs, _REQUESTS), key=lambda pair: pair[1] / pair[0])
    say("ratios: " + ", ".join(f"{loaded / quiet:.2f}" for quiet, loaded in found))
    quiet, loaded = found[len(found) // 2]
    yield Figure("neighbour-p99", round(loaded, 4), "s", 1.5, round(quiet, 4), goal_is_ratio=True)
