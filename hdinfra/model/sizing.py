"""How large a machine must be: the cheapest size that fits, and the held one for as long as it fits."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from hdinfra.model.plan import Size


@dataclass(frozen=True, slots=True)
class Need:
    """What a machine must have at least."""

    vcpu: int
    memory_mib: int

    def fits(self, size: Size) -> bool:
        """Whether that size has enough of everything."""
        return size.vcpu >= self.vcpu and size.memory_mib >= self.memory_mib


def smallest(sizes: Sequence[Size], need: Need, held: Collection[str] = ()) -> Size | None:
    """The cheapest size that fits, None if none does; a held one stays while it fits, whatever others cost by now."""
    fitting = by_price(size for size in sizes if need.fits(size))
    kept = [size for size in fitting if size.name in held]
    return next(iter(kept or fitting), None)


def by_price(sizes: Iterable[Size]) -> list[Size]:
    """The cheapest first, and of those the smallest."""
    return sorted(sizes, key=lambda s: (s.price_per_hour, s.vcpu, s.memory_mib, s.name))


def largest(sizes: Sequence[Size]) -> str:
    """The most that these sizes offer, for a message."""
    if not sizes:
        return "no machines at all"
    return f"at most {max(s.vcpu for s in sizes)} vCPU and {max(s.memory_mib for s in sizes):,} MiB"
