"""How long a neighbour's answers take beside a tenant at full load: for a test, and for the benchmark."""

from collections.abc import Sequence

from tests.metal.guest import Guest
from tests.metal.waf_guest import hostile, visits

_LOOPS = 8
"""Of the tenant: four for each of the guest's cores."""
_EVERY_SECONDS = 0.1
"""Between two requests: more than what one takes without KVM, so that they do not queue."""


def p99(seconds: Sequence[float]) -> float:
    """The time within which 99 of 100 answers come."""
    return sorted(seconds)[(len(seconds) * 99 - 1) // 100]


def p99_pairs(place: Guest, pairs: int, requests: int) -> list[tuple[float, float]]:
    """Seconds without and under load, one after the other and in turn; every answer has to be well."""
    visits(place, "globex", 20)
    found = []
    for number in range(pairs):
        # What the host does meanwhile must not fall on the same half of every pair.
        first, second = (_quiet, _loaded) if number % 2 == 0 else (_loaded, _quiet)
        one, two = first(place, requests), second(place, requests)
        found.append((one, two) if number % 2 == 0 else (two, one))
    return found


def _quiet(place: Guest, requests: int) -> float:
    told = visits(place, "globex", requests, _EVERY_SECONDS)
    assert set(told["codes"]) == {200}
    return p99(told["seconds"])


def _loaded(place: Guest, requests: int) -> float:
    with hostile(place, "acme", "spin", _LOOPS):
        return _quiet(place, requests)
