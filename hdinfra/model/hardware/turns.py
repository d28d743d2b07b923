"""In which order services stop and start: what others need stops after them and starts before them."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

Needs = Mapping[str, Sequence[str]]
"""Service to the services that it needs."""


def ring(needs: Needs) -> tuple[str, ...]:
    """Services that need one another in a ring, the first one again at its end; empty where there is no ring."""
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as found:
        names: list[str] = found.args[1]
        # Each is needed by the one before it in this list: turned round, each needs the next one.
        return tuple(reversed(names))
    return ()


def stop_waves(needs: Needs) -> tuple[tuple[str, ...], ...]:
    """Who stops together, first those that nobody needs; graphlib's CycleError of a ring."""
    needed_by: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in others:
            needed_by.setdefault(other, []).append(name)
    sorter = TopologicalSorter(needed_by)
    sorter.prepare()
    waves = []
    while sorter.is_active():
        wave = sorted(sorter.get_ready())
        sorter.done(*wave)
        waves.append(tuple(wave))
    return tuple(waves)
