"""Where an inventory is weakest: what takes most along when it is lost, alone or with one other thing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations

from hdinfra.model.hardware.inventory import Kind, Part
from hdinfra.model.hardware.what_if import Standing, WhatIf

MOST_PAIRS = 20_000
"""So many pairs are tried at most: of 100 hosts some seconds. Beyond it the pairs of an inventory are left out."""
_PAIRED = frozenset({Kind.PDU, Kind.UPS, Kind.CHAIN, Kind.SWITCH, Kind.ROUTER, Kind.OPERATOR, Kind.SERVER})
"""A disk, power supply or port takes no more than its server does; places and manufacturers are many things already."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What the loss of some parts at once does: services `down`, and how those that have least left `stand`."""

    parts: tuple[Part, ...]
    hosts_lost: int
    standings: tuple[Standing, ...]

    @property
    def down(self) -> tuple[Standing, ...]:
        """Services that cannot carry their load any more."""
        return tuple(one for one in self.standings if not one.stands)

    @property
    def tightest(self) -> Standing | None:
        """The service with least headroom left, the first by name among equals; None where there is no service."""
        return min(self.standings, key=lambda one: (one.headroom, one.service), default=None)

    @property
    def weight(self) -> tuple[int, int, int, tuple[Part, ...]]:
        """Sorts the worst first."""
        headroom = self.tightest.headroom if self.tightest else 0
        return (-len(self.down), headroom, -self.hosts_lost, self.parts)


@dataclass(frozen=True, slots=True)
class Assessment:
    """Every single loss, worst first; and pairs that take a service down which neither part takes down alone.

    `pairs_tried` is None where there would be more than MOST_PAIRS.
    """

    singles: tuple[Loss, ...]
    pairs: tuple[Loss, ...]
    pairs_tried: int | None

    def worst_of(self, kind: Kind) -> Loss | None:
        """The worst loss of one thing of that kind."""
        return next(self.of(kind), None)

    def of(self, kind: Kind) -> Iterator[Loss]:
        """All losses of one thing of that kind."""
        return (loss for loss in self.singles if loss.parts[0].kind is kind)


def assess(what_if: WhatIf) -> Assessment:
    """Try everything."""
    singles = _sorted(_loss(what_if, part) for part in what_if.parts())
    alone = {loss.parts[0]: {one.service for one in loss.down} for loss in singles if loss.parts[0].kind in _PAIRED}
    count = len(alone) * (len(alone) - 1) // 2
    if count > MOST_PAIRS:
        return Assessment(singles, (), None)
    pairs = (_loss(what_if, *pair) for pair in combinations(sorted(alone), 2))
    worse = (loss for loss in pairs if _services(loss) - alone[loss.parts[0]] - alone[loss.parts[1]])
    return Assessment(singles, _sorted(worse), count)


def _services(loss: Loss) -> set[str]:
    return {one.service for one in loss.down}


def _loss(what_if: WhatIf, *parts: Part) -> Loss:
    hosts = what_if.hosts_without(*parts)
    return Loss(parts, what_if.lost(hosts), what_if.standings(hosts))


def _sorted(losses: Iterable[Loss]) -> tuple[Loss, ...]:
    return tuple(sorted(losses, key=lambda loss: loss.weight))
