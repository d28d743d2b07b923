"""Where everything of an inventory's picture is: operators, routers and switches above the racks, power below."""

from collections.abc import Iterable
from dataclasses import dataclass

from hdinfra.model.hardware.inventory import Inventory, Kind
from hdinfra.model.hardware.spec import HardwareSiteSpec, ServerSpec

MARGIN, GAP, LANE = 24, 18, 18
SERVER_WIDTH, SERVER_HEIGHT = 216, 50
DEVICE_WIDTH, DEVICE_HEIGHT = 190, 50
SMALL_WIDTH, SMALL_HEIGHT = 118, 28
HEADER = 30
_PITCH = SERVER_HEIGHT + 8
_SLANT = 46
"""Room between rows, in which lines slant."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle, in pixels from the upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def top(self) -> tuple[float, float]:
        """The middle of the upper side."""
        return self.x + self.width / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        """The middle of the lower side."""
        return self.x + self.width / 2, self.y + self.height


@dataclass(frozen=True, slots=True)
class Rack:
    """A rack's frame, its servers from the top, and at what x each feed and each switch has its lane."""

    name: str
    hall: str
    box: Box
    servers: tuple[tuple[ServerSpec, Box], ...]
    feeds: dict[str, float]
    switches: dict[str, float]


@dataclass(frozen=True, slots=True)
class Site:
    """A site's frame and what is in it. `operators`, `network` and `power` are boxes by name."""

    name: str
    box: Box
    operators: dict[str, Box]
    network: dict[str, Box]
    racks: tuple[Rack, ...]
    power: dict[str, Box]


@dataclass(frozen=True, slots=True)
class _Content:
    name: str
    hall: str
    servers: tuple[ServerSpec, ...]
    feeds: tuple[str, ...]
    switches: tuple[str, ...]

    @property
    def width(self) -> float:
        return 2 * GAP + (len(self.feeds) + len(self.switches)) * LANE + SERVER_WIDTH


def layout_of(inventory: Inventory) -> tuple[Site, ...]:
    """All sites, one below the other."""
    sites: list[Site] = []
    y = float(MARGIN)
    for spec in inventory.spec.sites:
        sites.append(_site(inventory, spec, y))
        y = sites[-1].box.y + sites[-1].box.height + MARGIN
    return tuple(sites)


def _site(inventory: Inventory, spec: HardwareSiteSpec, top: float) -> Site:
    routers, switches = (_here(inventory, spec.name, kind) for kind in (Kind.ROUTER, Kind.SWITCH))
    upstreams = [name for router in inventory.spec.routers if router.name in routers for name in router.upstreams]
    operators = list(dict.fromkeys(upstreams))
    upss, chains = (_feeds(inventory, spec.name, kind) for kind in (Kind.UPS, Kind.CHAIN))
    contents = [_content(inventory, rack, hall.name) for hall in spec.halls for rack in hall.racks]
    widths = [content.width for content in contents]
    width = max(
        sum(widths) + GAP * (len(widths) - 1),
        *(len(names) * (DEVICE_WIDTH + GAP) for names in (routers, switches)),
        *(len(names) * (SMALL_WIDTH + GAP) for names in (operators, upss, chains)),
    )
    left, y = MARGIN + GAP, top + HEADER
    operator_boxes, y = _row(operators, left, y, width, (SMALL_WIDTH, SMALL_HEIGHT))
    router_boxes, y = _row(routers, left, y, width, (DEVICE_WIDTH, DEVICE_HEIGHT))
    switch_boxes, y = _row(switches, left, y, width, (DEVICE_WIDTH, DEVICE_HEIGHT))
    height = max(HEADER + len(content.servers) * _PITCH for content in contents) + 8
    racks: list[Rack] = []
    x = left + (width - sum(widths) - GAP * (len(widths) - 1)) / 2
    for content in contents:
        racks.append(_rack(content, Box(x, y, content.width, height)))
        x += content.width + GAP
    ups_boxes, y = _row(upss, left, y + height + _SLANT, width, (SMALL_WIDTH, SMALL_HEIGHT))
    chain_boxes, y = _row(chains, left, y, width, (SMALL_WIDTH, SMALL_HEIGHT))
    box = Box(MARGIN, top, width + 2 * GAP, y - _SLANT + GAP - top)
    network, power = {**router_boxes, **switch_boxes}, {**ups_boxes, **chain_boxes}
    return Site(spec.name, box, operator_boxes, network, tuple(racks), power)


def _here(inventory: Inventory, site: str, kind: Kind) -> list[str]:
    return [one.name for one in inventory.network if one.kind is kind and inventory.site_of(one.name) == site]


def _feeds(inventory: Inventory, site: str, kind: Kind) -> list[str]:
    return [name for name, feed in inventory.feeds.items() if feed.kind is kind and feed.site == site]


def _content(inventory: Inventory, rack: str, hall: str) -> _Content:
    servers = tuple(server for server in inventory.spec.servers if server.rack == rack)
    own = [name for name, feed in inventory.feeds.items() if feed.rack == rack]
    feeds = dict.fromkeys([*own, *(psu.feed for server in servers for psu in server.psus)])
    switches = {nic.switch for server in servers for nic in server.nics}
    return _Content(rack, hall, servers, tuple(feeds), tuple(sorted(switches)))


def _rack(content: _Content, box: Box) -> Rack:
    inner = box.x + GAP + len(content.feeds) * LANE
    right = inner + SERVER_WIDTH + GAP / 2
    return Rack(
        content.name,
        content.hall,
        box,
        tuple(
            (server, Box(inner, box.y + HEADER + number * _PITCH, SERVER_WIDTH, SERVER_HEIGHT))
            for number, server in enumerate(content.servers)
        ),
        {feed: box.x + GAP / 2 + (number + 0.5) * LANE for number, feed in enumerate(content.feeds)},
        {switch: right + (number + 0.5) * LANE for number, switch in enumerate(content.switches)},
    )


def _row(
    names: Iterable[str], left: float, y: float, width: float, size: tuple[float, float]
) -> tuple[dict[str, Box], float]:
    """Boxes at equal distances, and where the next row begins; without boxes, at the same height."""
    found = list(names)
    if not found:
        return {}, y
    step = width / len(found)
    boxes = {name: Box(left + (number + 0.5) * step - size[0] / 2, y, *size) for number, name in enumerate(found)}
    return boxes, y + size[1] + _SLANT
