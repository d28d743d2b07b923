"""Which switches lead to the Internet, whatever is left of the network."""

from collections.abc import Callable

from hdinfra.model.hardware.inventory import Inventory, Kind, Part

Lives = Callable[[Part], bool]
"""Whether a thing is there and, if it needs power, has some."""


def leading_out(inventory: Inventory, lives: Lives) -> frozenset[str]:
    """Live switches from which live cables lead over live switches to a live router with a live network operator."""
    switches = frozenset(switch.name for switch in inventory.spec.switches if lives(Part(Kind.SWITCH, switch.name)))
    waiting = [router.name for router in inventory.spec.routers if _is_exit(router.name, router.upstreams, lives)]
    found: set[str] = set()
    while waiting:
        new = (inventory.neighbours.get(waiting.pop(), frozenset()) & switches) - found
        found |= new
        waiting += new
    return frozenset(found)


def _is_exit(name: str, upstreams: tuple[str, ...], lives: Lives) -> bool:
    return lives(Part(Kind.ROUTER, name)) and any(lives(Part(Kind.OPERATOR, operator)) for operator in upstreams)
